"""Teaches and evaluates models."""
