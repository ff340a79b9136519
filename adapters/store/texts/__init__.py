"""What is kept of conversations in writing and of tasks: who answers, what waits for an answer, when they are over."""
