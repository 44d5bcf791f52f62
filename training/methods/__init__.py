"""One file per way to learn from pictures."""
