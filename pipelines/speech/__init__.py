"""What the bot says without asking the model, and what the caller heard of it."""
