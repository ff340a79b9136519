from __future__ import annotations

from adapters.signatures.base import SignedRequest
from adapters.signatures.vobiz import VobizSignature, sign
from tests.adapters.signatures.signers import NONCE, NOW_S, SECRET, vobiz_headers

URL = "https://example.com/answer"


def test_neither_query_nor_form_is_signed() -> None:
    headers = vobiz_headers(URL, SECRET)
    VobizSignature(SECRET).check(SignedRequest(f"{URL}?From=1", headers, "POST", b"To=2"), NOW_S)
    assert sign(SECRET, f"{URL}?a=1", NONCE) == sign(SECRET, URL, NONCE) == headers["x-vobiz-signature-v3"]


def test_the_main_account_may_sign() -> None:
    headers = {
        "x-vobiz-signature-v3": "by another account",
        "x-vobiz-signature-ma-v3": sign(SECRET, URL, NONCE),
        "x-vobiz-signature-v3-nonce": NONCE,
    }
    VobizSignature(SECRET).check(SignedRequest(URL, headers), NOW_S)
