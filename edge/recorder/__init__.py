"""Sole writer of the ledger and the picture archive."""
