"""What is kept of webhooks, how far each sink has been told, and dead letters."""
