"""Media protocols: what phone systems and the runtime say to each other on one WebSocket per call."""
