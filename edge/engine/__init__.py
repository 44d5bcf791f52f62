"""Owns cameras, model session and recipe."""
