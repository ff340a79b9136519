"""Keeps AI assistants and what refers to them."""
