import inspect
import pickle

import pytest

from models import errors
from models.errors import (
    AicallError,
    Conflict,
    IllegalTransition,
    InvalidField,
    MediaProtocolError,
    NotFound,
    ProviderError,
    Unavailable,
)

ALL = [item for _, item in inspect.getmembers(errors, inspect.isclass) if issubclass(item, Exception)]


def test_the_tree_has_one_root() -> None:
    assert all(issubclass(error, AicallError) for error in ALL)
    assert issubclass(IllegalTransition, Conflict)


@pytest.mark.parametrize("error", ALL)
def test_the_trees_drawing_shows_every_error(error: type[AicallError]) -> None:
    assert error.__name__ in (errors.__doc__ or "")


def test_what_varies_stands_in_attributes() -> None:
    field = InvalidField("vad_config.stop_secs", "must be at most 30")
    assert (field.field, field.message, str(field)) == ("vad_config.stop_secs", "must be at most 30", field.message)
    missing = NotFound("aicall", "an-id")
    assert (missing.kind, missing.id, str(missing)) == ("aicall", "an-id", "no such aicall")
    move = IllegalTransition("terminated", "progressing")
    assert (move.source, move.target) == ("terminated", "progressing")
    assert MediaProtocolError("bad").fatal is False
    assert MediaProtocolError("bad", fatal=True).fatal is True


def test_what_may_be_tried_again() -> None:
    busy = Unavailable("no capacity", retry_after_s=2.5)
    assert (busy.retryable, busy.retry_after_s) == (True, 2.5)
    refused = ProviderError("refused the key", provider="openai", seat="llm")
    assert (refused.provider, refused.seat, refused.retryable) == ("openai", "llm", False)
    assert ProviderError("broke off", provider="deepgram", seat="stt", retryable=True).retryable
    assert not Conflict("paused").retryable


def test_a_plain_error_crosses_a_process_border() -> None:
    copy = pickle.loads(pickle.dumps(Unavailable("draining")))
    assert (type(copy), copy.message) == (Unavailable, "draining")


PROVIDER_ERRORS: list[type[ProviderError]] = [ProviderError, *ProviderError.__subclasses__()]


def test_every_failure_of_a_vendor_says_what_to_do() -> None:
    assert len({kind.code for kind in PROVIDER_ERRORS}) == len(PROVIDER_ERRORS) == 9
    assert len({kind.__doc__ for kind in PROVIDER_ERRORS}) == len(PROVIDER_ERRORS)
    for kind in PROVIDER_ERRORS:
        error = kind("words", provider="openai", seat="llm")
        assert error.public() == {
            "seat": "llm",
            "provider": "openai",
            "error": kind.code,
            "retryable": kind.retryable,
            "advice": kind.advice,
        }
        assert kind.advice.endswith(".")


def test_what_will_not_pass_is_not_to_be_tried_again() -> None:
    assert {kind.code for kind in PROVIDER_ERRORS if kind.retryable} == {
        "rate_limited",
        "unreachable",
        "stalled",
        "broken",
    }
