from __future__ import annotations

from datetime import timedelta

import pytest

from adapters.store.life.contract import LifeStep, Tenure
from models.aicall import EndReason, ReferenceType
from models.status import TRANSITIONS, AicallStatus
from runtime.calls.rescue import rescue
from tests.adapters.store.samples import at, make_aicall

S = AicallStatus
GRACE = timedelta(seconds=10)
LOST = EndReason.WORKER_LOST


def orphan(status: S, media_s: float | None = None, *, held: bool = False, **fields: object) -> Tenure:
    aicall = make_aicall().model_copy(update={"status": status, **fields})
    return Tenure(aicall, "dead", at(0), None if media_s is None else at(media_s), held)


@pytest.mark.parametrize(
    ("found", "step"),
    [
        (orphan(S.INITIATING), LifeStep(S.TERMINATING, end_reason=LOST)),
        (orphan(S.PROGRESSING), LifeStep(S.PAUSING, tm_media=at(15))),
        (orphan(S.PAUSING, held=True), LifeStep(None, tm_media=at(15), held=True)),
        (orphan(S.PAUSING, 12), LifeStep(None, tm_media=at(12))),
        (orphan(S.PAUSING, 5), LifeStep(S.TERMINATING, end_reason=LOST)),
        (orphan(S.RESUMING), LifeStep(None, tm_media=at(15))),
        (orphan(S.RESUMING, 4), LifeStep(S.TERMINATING, end_reason=LOST)),
        (orphan(S.TERMINATING), LifeStep(S.TERMINATED, end_reason=LOST)),
        (
            orphan(S.PROGRESSING, reference_type=ReferenceType.CONVERSATION),
            LifeStep(S.TERMINATING, end_reason=LOST),
        ),
    ],
)
def test_what_becomes_of_an_orphan(found: Tenure, step: LifeStep) -> None:
    assert rescue(found, now=at(5), grace=GRACE) == step


@pytest.mark.parametrize("status", [status for status in S if status is not S.TERMINATED])
def test_without_a_grace_time_all_are_ended(status: S) -> None:
    step = rescue(orphan(status, 100 if status is S.PAUSING else None), now=at(5), grace=timedelta(0))
    assert step.target in {S.TERMINATING, S.TERMINATED}
    assert step.target in TRANSITIONS[status]
