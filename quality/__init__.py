"""Pure statistics and records."""
