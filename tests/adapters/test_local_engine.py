import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path

import pytest
from pipecat.utils.errors import ErrorCategory

from adapters.clients import SharedClients
from adapters.local_engine import LocalModels, category_of, local_models, quiet_session
from adapters.stt.table import STT_TABLE
from adapters.vendor_errors import failure
from models.errors import InvalidField, ProviderRejectedRequest, Unavailable
from models.providers import SttType
from tests.adapters.vendors import BOUND_S, until

ROW = STT_TABLE[SttType.WHISPER]
ONE, OTHER = Path("one"), Path("other")


class Loads:
    """Counts loads, which can be held up."""

    def __init__(self) -> None:
        self.paths: list[Path] = []
        self.go = threading.Event()
        self.go.set()

    def __call__(self, path: Path) -> object:
        self.paths.append(path)
        assert self.go.wait(BOUND_S)
        return object()


@contextmanager
def holding(models: LocalModels) -> Iterator[threading.Event]:
    """Keep the only worker busy until the event is set."""
    go = threading.Event()
    yield go
    go.set()


async def test_a_model_is_loaded_once_for_all() -> None:
    models, load = LocalModels(), Loads()
    load.go.clear()
    begun = models.begin(ROW, ONE, load)
    waiting = [asyncio.ensure_future(models.get(ROW, ONE, load)) for _ in range(5)]
    load.go.set()
    got = await asyncio.gather(*waiting, models.get(ROW, ONE, load))
    assert {id(model) for model in got} == {id(begun.result())}
    assert load.paths == [ONE]
    assert await models.get(ROW, OTHER, load) is not got[0]
    await models.aclose()


async def test_who_stops_waiting_leaves_the_model_to_the_others() -> None:
    models, load = LocalModels(), Loads()
    load.go.clear()
    # The loading of another one goes before.
    models.begin(ROW, OTHER, load)
    impatient = asyncio.ensure_future(models.get(ROW, ONE, load))
    patient = asyncio.ensure_future(models.get(ROW, ONE, load))
    await until(lambda: load.paths)
    # Both wait now.
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    load.go.set()
    assert await patient is await models.get(ROW, ONE, load)
    assert load.paths == [OTHER, ONE]
    await models.aclose()


async def test_what_failed_is_tried_again() -> None:
    models, load, files = LocalModels(), Loads(), list[str]()

    def fail(path: Path) -> object:
        if not files:
            raise RuntimeError("model.bin is broken")
        return load(path)

    with pytest.raises(ProviderRejectedRequest) as caught:
        await models.get(ROW, ONE, fail)
    assert (caught.value.provider, caught.value.seat) == ("whisper", "stt")
    assert str(caught.value.__cause__) == "model.bin is broken"
    files.append("mended")
    await models.get(ROW, ONE, fail)
    assert load.paths == [ONE]
    await models.aclose()


async def test_only_so_many_models_are_kept() -> None:
    models, load = LocalModels(most_models=2), Loads()
    for path in (ONE, OTHER, ONE, Path("third"), ONE, OTHER):
        await models.get(ROW, path, load)
    assert load.paths == [ONE, OTHER, Path("third"), OTHER]
    await models.aclose()


async def test_runs_in_another_thread_and_leaves_the_loop_free() -> None:
    models = LocalModels(workers=1)
    with holding(models) as go:
        running = asyncio.ensure_future(models.run(lambda: (go.wait(BOUND_S), threading.current_thread().name)))
        # It waits for what the loop does.
        asyncio.get_running_loop().call_soon(go.set)
        came, name = await running
    assert came
    assert name.startswith("aicall-model")
    await models.aclose()


async def test_what_is_cancelled_before_its_turn_never_runs() -> None:
    models, ran = LocalModels(workers=1), list[int]()
    with holding(models) as go:
        first = asyncio.ensure_future(models.run(go.wait, BOUND_S))
        second = asyncio.ensure_future(models.run(ran.append, 2))
        third = asyncio.ensure_future(models.run(ran.append, 3))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        go.set()
        await asyncio.gather(first, third)
    assert ran == [3]
    await models.aclose()


async def test_only_so_many_jobs_wait_and_places_come_free() -> None:
    models = LocalModels(workers=1, most_waiting=2)
    with holding(models) as go:
        jobs = [asyncio.ensure_future(models.run(go.wait, BOUND_S)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await models.run(int)
        # A job that gives up frees its place at once.
        jobs[1].cancel()
        with pytest.raises(asyncio.CancelledError):
            await jobs[1]
        last = asyncio.ensure_future(models.run(int))
        await asyncio.sleep(0)
        go.set()
        assert await last == 0
        await jobs[0]
    for _ in range(10):
        with pytest.raises(ZeroDivisionError):
            await models.run(divmod, 1, 0)
    await models.aclose()


async def test_closing_lets_go_of_the_threads() -> None:
    clients, others = SharedClients(), set(threading.enumerate())
    models, load = local_models(clients), Loads()
    assert local_models(clients) is models
    await models.get(ROW, ONE, load)
    await models.run(int)
    await clients.aclose()
    assert local_models(clients) is not models
    await until(
        lambda: not [it for it in threading.enumerate() if it.name.startswith("aicall-model") and it not in others]
    )
    await clients.aclose()


async def test_closing_ends_the_wait_for_a_load() -> None:
    models, load = LocalModels(), Loads()
    load.go.clear()
    models.begin(ROW, ONE, load)
    await until(lambda: load.paths)
    second = models.begin(ROW, OTHER, load)
    await models.aclose()
    load.go.set()
    with pytest.raises(CancelledError):
        second.result(BOUND_S)


def test_a_session_of_a_broken_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(Exception, match="INVALID_PROTOBUF"):
        quiet_session(path)


def test_failures_have_the_categories_of_vendors() -> None:
    broken = ProviderRejectedRequest("x", provider="whisper", seat="stt")
    assert category_of(broken) is category_of(InvalidField("f", "m")) is ErrorCategory.INVALID_REQUEST
    assert category_of(Unavailable("x")) is ErrorCategory.RATE_LIMIT
    assert category_of(TimeoutError()) is ErrorCategory.CONNECTIVITY
    assert category_of(RuntimeError("out of memory")) is ErrorCategory.SERVER
    assert not failure("whisper", "stt", category_of(broken)).retryable
