"""A call that several AIs share: who has it, and how one hands it over to another."""
