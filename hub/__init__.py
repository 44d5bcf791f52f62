"""The plant's centre: not built yet (stations run without it)."""
