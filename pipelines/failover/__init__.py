"""Vendors that fail or stall, and who takes their place."""
