"""What is peculiar to each protocol's wire, for the tests that all share: a module a protocol, with its ``WIRES``."""
