from __future__ import annotations

import pytest

from adapters.signatures.base import SignedRequest
from adapters.signatures.bearer import BearerKey
from models.errors import Unauthorized

URL = "ws://h/"


def test_a_header_of_its_own_may_hold_the_key() -> None:
    scheme = BearerKey("k€y", headers=("x-cx-apikey",))
    for headers in (
        {"x-cx-apikey": "k€y"},
        {"authorization": "bearer k€y"},
        {"authorization": "Bearer another", "x-cx-apikey": "k€y"},
    ):
        scheme.check(SignedRequest(URL, headers), 0)


@pytest.mark.parametrize("headers", [{"x-cx-apikey": "Bearer key"}, {"authorization": "key"}, {"x-key": "key"}])
def test_no_other_place_or_form_counts(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthorized):
        BearerKey("key", headers=("x-cx-apikey",)).check(SignedRequest(URL, headers), 0)
