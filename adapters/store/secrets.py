"""Sealing: how secrets are kept at rest.

One Fernet token (https://github.com/fernet/spec) holds all secrets of one AI as JSON. Several keys may be given: the
first seals, all of them unseal, so that a key can be replaced while the runtime goes on.
"""

from __future__ import annotations

import json
import re

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from models.ai import AiSecrets
from models.errors import AicallError, InvalidField

_KEY = re.compile(r"[A-Za-z0-9_-]{43}=")
_SEPARATORS = re.compile(r"[\s,]+")


class SecretBox:
    """Seals and unseals text. Its repr shows no key.

    Args:
        secret_key: One or more Fernet keys (32 bytes in URL-safe base64), separated by commas or white space.

    Raises:
        InvalidField: ``secret_key`` holds no key, or something that is none.
    """

    def __init__(self, secret_key: str) -> None:
        texts = [text for text in _SEPARATORS.split(secret_key) if text]
        # Fernet itself reads over what follows the padding, such as a second key that lacks its separator.
        if not texts or not all(map(_KEY.fullmatch, texts)):
            raise InvalidField("secret_key", "must be a Fernet key: 32 bytes in URL-safe base64")
        keys = [Fernet(text) for text in texts]
        self._primary = keys[0]
        self._all = MultiFernet(keys)
        self.rotating = len(keys) > 1
        """Whether there are older keys, with which some tokens may still be sealed."""

    def seal(self, text: str) -> str:
        """Return a token that hides the text; two tokens of one text differ."""
        return self._primary.encrypt(text.encode()).decode("ascii")

    def unseal(self, token: str) -> str:
        """Return the text of a token.

        Raises:
            AicallError: The token was sealed with none of our keys, or was changed.
        """
        try:
            return self._all.decrypt(token).decode()
        except InvalidToken:
            raise AicallError("stored secrets cannot be read with this secret key") from None

    def is_current(self, token: str) -> bool:
        """Say whether a token is sealed with the first key."""
        try:
            self._primary.decrypt(token)
        except InvalidToken:
            return False
        return True

    def seal_secrets(self, secrets: AiSecrets) -> str:
        """Return a token that hides an AI's secrets."""
        return self.seal(json.dumps(secrets.revealed()))

    def unseal_secrets(self, token: str) -> AiSecrets:
        """Return the secrets of a token.

        Raises:
            AicallError: The token was sealed with none of our keys, or was changed.
        """
        return AiSecrets.model_validate_json(self.unseal(token))
