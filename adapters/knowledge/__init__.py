"""Knowledge bases: reading documents, splitting them, and finding what fits a question."""
