"""Conversations in writing, and tasks: AIcalls without media."""
