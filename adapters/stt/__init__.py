"""The speech-to-text seat: Deepgram and the embedded recogniser."""
