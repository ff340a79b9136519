"""Delivering the outbox to whoever wants it."""
