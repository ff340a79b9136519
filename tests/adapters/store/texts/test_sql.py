"""The contract about conversations in writing and tasks, on every database."""

from tests.adapters.store.texts.contract import TextContract


class TestTexts(TextContract):
    pass
