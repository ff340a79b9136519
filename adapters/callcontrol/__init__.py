"""Asking the system that owns the call: to connect it, to end its flow, to place others, to send messages."""
