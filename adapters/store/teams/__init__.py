"""What is kept of teams and their members."""
