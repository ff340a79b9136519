"""Sealing: only the right key opens, and nothing shows a key."""

from string import ascii_letters, digits

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from adapters.store.secrets import SecretBox
from models.ai import AiSecrets
from models.errors import AicallError, InvalidField
from tests.adapters.store.samples import KEY, OTHER_KEY


@given(st.text())
def test_what_is_sealed_comes_back(text: str) -> None:
    box = SecretBox(KEY)
    token = box.seal(text)
    assert box.unseal(token) == text
    assert box.is_current(token)


keys = st.text().map(SecretStr)


@given(st.builds(AiSecrets, engine_key=keys, stt_key=keys, tts_key=keys))
def test_secrets_come_back(secrets: AiSecrets) -> None:
    box = SecretBox(KEY)
    assert box.unseal_secrets(box.seal_secrets(secrets)) == secrets


def test_a_token_hides_its_text() -> None:
    box = SecretBox(KEY)
    secrets = AiSecrets(engine_key=SecretStr("PLAINTEXT"))
    assert "PLAINTEXT" not in box.seal_secrets(secrets)
    assert box.seal_secrets(secrets) != box.seal_secrets(secrets)


@given(st.integers(min_value=0, max_value=99), st.sampled_from(ascii_letters + digits + "-_"))
def test_a_changed_token_is_refused(place: int, character: str) -> None:
    box = SecretBox(KEY)
    token = box.seal("text")
    place %= len(token.rstrip("=")) - 1
    if token[place] == character:
        return
    with pytest.raises(AicallError):
        box.unseal(token[:place] + character + token[place + 1 :])


def test_another_key_is_refused() -> None:
    with pytest.raises(AicallError) as caught:
        SecretBox(OTHER_KEY).unseal(SecretBox(KEY).seal("text"))
    assert "text" not in str(caught.value)


@pytest.mark.parametrize("separator", [",", "\n", " , ", "\r\n"])
def test_the_first_of_several_keys_seals_and_all_unseal(separator: str) -> None:
    old = SecretBox(KEY).seal("old")
    box = SecretBox(f"{OTHER_KEY}{separator}{KEY}\n")
    assert box.rotating
    assert box.unseal(old) == "old"
    assert not box.is_current(old)
    assert SecretBox(OTHER_KEY).unseal(box.seal("new")) == "new"


def test_one_key_is_no_change_of_keys() -> None:
    assert not SecretBox(Fernet.generate_key().decode() + "\n").rotating


@pytest.mark.parametrize("key", ["", " ,\n", "not-a-key", KEY[:-2], f"{KEY},x", "ключ", KEY + KEY])
def test_what_is_no_key_is_refused_without_being_quoted(key: str) -> None:
    with pytest.raises(InvalidField) as caught:
        SecretBox(key)
    assert caught.value.field == "secret_key"
    assert not key.strip(" ,\n") or key not in str(caught.value)
    assert caught.value.__context__ is None


def test_the_repr_shows_no_key() -> None:
    box = SecretBox(KEY)
    assert KEY not in repr(box)
    assert KEY not in str(vars(box))
