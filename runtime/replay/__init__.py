"""The replay harness: plays the phone system and its callers against a media URL, and measures what they hear."""
