"""Sending email."""
