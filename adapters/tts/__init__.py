"""The text-to-speech seat: ElevenLabs, Deepgram, OpenAI and the embedded voice."""
