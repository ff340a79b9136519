"""The tables that keep who runs an AIcall, until when, and what others ask of them."""
