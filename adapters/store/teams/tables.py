"""The tables that keep teams and their members."""
