"""Adapters to other systems: one folder per seat, one file per system."""
