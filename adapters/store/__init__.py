"""The store seat: where AIs, AIcalls, messages and events are kept."""
