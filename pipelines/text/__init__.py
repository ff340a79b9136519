"""A conversation in writing: the model and its tools, without recogniser, voice and media."""
