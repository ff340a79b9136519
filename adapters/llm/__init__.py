"""The language-model seat: OpenAI, Anthropic and the embedded script."""
