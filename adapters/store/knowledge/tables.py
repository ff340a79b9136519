"""The tables that keep knowledge bases and their documents."""
