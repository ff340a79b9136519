"""The tables that keep webhooks, how far each sink has been told, and dead letters."""
