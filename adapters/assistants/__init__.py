"""What a phone system is told in order to reach an AI assistant: URLs and call documents."""
