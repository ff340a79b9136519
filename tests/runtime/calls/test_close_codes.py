from __future__ import annotations

import pytest

from models.aicall import EndReason
from runtime.calls.close_codes import close_code

FAILED = {
    EndReason.MEDIA_ERROR: 1008,
    EndReason.WORKER_LOST: 1012,
    EndReason.PROVIDER_ERROR: 1011,
    EndReason.INTERNAL_ERROR: 1011,
    EndReason.DRAIN: 1001,
}


@pytest.mark.parametrize("reason", EndReason)
def test_only_an_end_that_went_wrong_has_a_code_of_its_own(reason: EndReason) -> None:
    code, text = close_code(reason)
    assert code == FAILED.get(reason, 1000)
    assert text == reason.value
    # RFC 6455, 5.5: a control frame holds 125 bytes, two of them the code.
    assert len(text.encode()) <= 123
