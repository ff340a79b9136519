"""Event sinks: whom the outbox is delivered to, one file per system."""
