"""The tables that keep customers and their API keys."""
