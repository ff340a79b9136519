"""One call's conversation: its parts, what happens in it, what fails in it, and its end."""
