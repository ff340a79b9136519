"""What is kept of knowledge bases and their documents."""
