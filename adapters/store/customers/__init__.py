"""What is kept of customers and their API keys."""
