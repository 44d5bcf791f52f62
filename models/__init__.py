"""Model packages, the only preprocessing, and the runner."""
