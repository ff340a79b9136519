"""The HTTP API: one file per resource (design section 2)."""
