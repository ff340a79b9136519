"""Domain models of the AIcall runtime: pydantic, no I/O, no clock of their own."""
