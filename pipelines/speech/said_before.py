"""Takes out of the rest of an answer what was said before it: some models begin again although told to go on."""

from __future__ import annotations


class SaidBefore:
    """What was said of an answer by another model, to be fed with what the next one says.

    Only letters and digits are compared, so that spaces and punctuation may differ. Text is held back while it may
    still be a repetition; the moment that it differs, all of it is let go.

    Args:
        said: What was said.
    """

    def __init__(self, said: str) -> None:
        self._letters = [char for char in said.casefold() if char.isalnum()]
        self._ends_word = bool(said) and not said[-1].isspace()
        self._held = ""
        self._matched = 0
        self._decided = not self._letters
        self._begun = False

    def rest(self, text: str) -> str:
        """Take a piece of the next model's text.

        Returns:
            What is new in all pieces so far and was not returned yet.
        """
        if self._decided:
            return self._joined(text)
        for place, char in enumerate(text):
            if not char.isalnum():
                continue
            for letter in char.casefold():
                if self._matched == len(self._letters):
                    # All of it was repeated, and here something new begins.
                    return self._let_go(text[place:])
                if letter != self._letters[self._matched]:
                    return self._let_go(self._held + text)
                self._matched += 1
        if self._matched == len(self._letters):
            self._held = ""
        else:
            self._held += text
        return ""

    def _let_go(self, text: str) -> str:
        self._decided = True
        self._held = ""
        return self._joined(text)

    def _joined(self, text: str) -> str:
        """Keep the first new word from growing together with the last one that was said."""
        if self._begun or not text:
            return text
        self._begun = True
        apart = self._ends_word and text[0].isalnum()
        return f" {text}" if apart else text
