"""Whose turn it is: barge-in, the end of a turn, answers begun early."""
