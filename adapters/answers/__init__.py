"""The documents with which a call is answered: each tells its carrier to open the media stream."""
