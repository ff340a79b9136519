"""The side-by-side benchmark: upstream's own phone-bot recipe and this runtime, in one run on one machine."""
