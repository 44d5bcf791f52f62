"""Owns the PLC link and the deadline clock."""
