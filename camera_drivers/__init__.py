"""Captures parts: one file per vendor or standard behind one contract."""
