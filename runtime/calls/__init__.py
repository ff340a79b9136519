"""Live calls: from the media socket's handshake to ``terminated``."""
