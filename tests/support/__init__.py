"""What the tests share: virtual time, leak checks, tests that run alone."""
