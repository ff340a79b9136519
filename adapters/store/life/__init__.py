"""What is kept of who runs an AIcall, until when, and what others ask of them."""
