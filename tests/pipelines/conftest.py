"""What the tests of the pipelines share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pipelines.vad.inference import InferenceEngine


@pytest.fixture(scope="session")
def inference() -> InferenceEngine:
    """The models that a process shares, for calls without Smart Turn: its thread begins with the first question."""
    return InferenceEngine(threaded=False)


@pytest.fixture
async def judging_inference() -> AsyncIterator[InferenceEngine]:
    """The same for calls with Smart Turn."""
    engine = InferenceEngine(threaded=False)
    yield engine
    await engine.aclose()
