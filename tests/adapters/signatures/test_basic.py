from __future__ import annotations

import pytest

from adapters.signatures.base import SignedRequest
from adapters.signatures.basic import BasicCredentials
from models.errors import Unauthorized

URL = "ws://h/"


def test_the_scheme_is_read_in_any_case() -> None:
    for scheme in ("Basic", "basic", "BASIC "):
        # RFC 7617, section 2.
        headers = {"authorization": f"{scheme} QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}
        BasicCredentials("Aladdin:open sesame").check(SignedRequest(URL, headers), 0)


def test_a_password_of_utf_8() -> None:
    # RFC 7617, section 2.1.
    headers = {"authorization": "Basic dGVzdDoxMjPCow=="}
    BasicCredentials("test:123£").check(SignedRequest(URL, headers), 0)


@pytest.mark.parametrize("wrong", ["QWxhZGRpbg==", "QWxhZGRpbjo=", "OnNlc2FtZQ==", "/w==", "****"])
def test_wrong_ones(wrong: str) -> None:
    with pytest.raises(Unauthorized):
        BasicCredentials("Aladdin:open sesame").check(SignedRequest(URL, {"authorization": f"Basic {wrong}"}), 0)
