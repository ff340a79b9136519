import pytest

from adapters.stt.recognizer_wire import json_object, text_of


@pytest.mark.parametrize("message", ["", "[]", "7", '"text"', "{", b"\xff"])
def test_only_an_object_is_an_object(message: str | bytes) -> None:
    with pytest.raises(ValueError):
        json_object(message)
    assert json_object('{"a": 1}') == {"a": 1}


def test_text_may_be_absent_but_not_something_else() -> None:
    assert text_of({"a": "x"}, "a") == "x"
    assert text_of({"a": None}, "a") == text_of({}, "a") == ""
    with pytest.raises(ValueError, match="not a text"):
        text_of({"a": 7}, "a")
