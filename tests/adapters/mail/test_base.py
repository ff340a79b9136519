import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mail.base import check_address
from models.errors import InvalidField


@pytest.mark.parametrize("address", ["ann@example.com", "a.b+c@sub.example.co.uk", "o'neill@x-y.io", "1@2.de"])
def test_addresses(address: str) -> None:
    assert check_address("to", address) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ann",
        "ann@",
        "@example.com",
        "ann@localhost",
        "ann@example.com, bob@example.com",
        "ann@example.com\nBcc: bob@example.com",
        "ann@example.com\r\n",
        "Ann <ann@example.com>",
        "a..b@example.com",
        ".a@example.com",
        '"a b"@example.com',
        "ann@[127.0.0.1]",
        "ann@-example.com",
        "änn@example.com",
        "a" * 65 + "@example.com",
        "ann@" + "a." * 130 + "com",
    ],
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(InvalidField) as caught:
        check_address("to", address)
    assert caught.value.field == "to"


@given(text=st.text())
def test_whatever_passes_ends_no_header(text: str) -> None:
    for address in (text, f"{text}@example.com", f"ann@{text}.com"):
        try:
            check_address("to", address)
        except InvalidField:
            continue
        assert address.isascii()
        assert not any(char.isspace() or char in ",;<>" for char in address)
