"""A call's audio in and out of the pipeline."""
