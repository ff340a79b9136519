"""Where models of the operator's own are loaded and run: in threads, once per process, for all calls."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from onnxruntime import InferenceSession, SessionOptions
from pipecat.utils.errors import ErrorCategory

from adapters.clients import SharedClients
from adapters.seats import ProviderRow
from adapters.vendor_errors import classify
from models.errors import InvalidField, ProviderRejectedRequest, Unavailable

WORKERS = max(1, min(4, (os.cpu_count() or 1) // 2))
"""How many models run at the same time."""

THREADS = max(1, min(4, (os.cpu_count() or 1) // WORKERS))
"""On how many threads one of them runs."""

_MOST_MODELS = 8
_MOST_WAITING = 64

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


class LocalModels:
    """The models that a process has loaded, and the threads in which they are loaded and run.

    The engines let go of the GIL while they compute. Loading has a thread of its own, so that no call waits while
    another one's model is read.

    Args:
        workers: How many jobs run at the same time.
        most_models: How many models are kept; of more, the one that was not asked for for longest is let go, and its
            memory is freed when the last call that has it ends.
        most_waiting: How many jobs may run and wait, all calls together.
    """

    def __init__(
        self, *, workers: int = WORKERS, most_models: int = _MOST_MODELS, most_waiting: int = _MOST_WAITING
    ) -> None:
        self._loader = ThreadPoolExecutor(1, "aicall-model-loader")
        self._runner = ThreadPoolExecutor(workers, "aicall-model")
        self._most_models = most_models
        self._places = threading.BoundedSemaphore(most_waiting)
        self._models: OrderedDict[tuple[str, str, Path], Future[Any]] = OrderedDict()

    def begin(self, row: ProviderRow, path: Path, load: Callable[[Path], Result]) -> Future[Result]:
        """Begin to load a model, unless somebody did.

        Args:
            row: The system.
            path: The model, as `adapters.local_models.LocalRow.find` returns it.
            load: Loads it, in a thread.

        Returns:
            The model, or `ProviderRejectedRequest` with the engine's own error as its cause. What failed once is tried
            again the next time, since files can be mended.
        """
        key = (row.seat.value, row.name, path)
        loading = self._models.get(key)
        if loading is None or (loading.done() and (loading.cancelled() or loading.exception())):
            loading = self._models[key] = self._loader.submit(_loaded, row, path, load)
        self._models.move_to_end(key)
        while len(self._models) > self._most_models:
            self._models.popitem(last=False)
        return cast("Future[Result]", loading)

    async def get(self, row: ProviderRow, path: Path, load: Callable[[Path], Result]) -> Result:
        """Return a model when it is loaded; arguments as in `begin`. Whoever stops waiting leaves it to the others.

        Raises:
            ProviderRejectedRequest: It cannot be loaded.
        """
        return await asyncio.shield(asyncio.wrap_future(self.begin(row, path, load)))

    async def run(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Run something in a thread. Cancelled before its turn it never runs; afterwards nobody waits for it.

        Raises:
            Unavailable: Too many are waiting.
            Exception: What it raised.
        """
        if not self._places.acquire(blocking=False):
            raise Unavailable("too much speech waits for the models of this server")
        try:
            job = self._runner.submit(function, *args, **kwargs)
        except BaseException:
            self._places.release()
            raise
        job.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(job)

    async def aclose(self) -> None:
        """Let go of all models and threads; what is running ends by itself."""
        self._models.clear()
        for pool in (self._loader, self._runner):
            pool.shutdown(wait=False, cancel_futures=True)


def _loaded(row: ProviderRow, path: Path, load: Callable[[Path], Result]) -> Result:
    try:
        return load(path)
    except Exception as error:
        message = "the files of the model are not what the engine takes"
        raise ProviderRejectedRequest(message, provider=row.name, seat=row.seat.value) from error


def quiet_session(path: Path) -> InferenceSession:
    """Load an ONNX model onto `THREADS` threads that do not spin while they wait, which would take time from calls."""
    options = SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def local_models(clients: SharedClients) -> LocalModels:
    """The models of a process.

    Args:
        clients: What else its calls share, and what closes them.
    """
    return clients.shared("local models", LocalModels)


def category_of(error: BaseException) -> ErrorCategory:
    """Say what a failure of an own model means, in the categories of vendors' failures."""
    if isinstance(error, ProviderRejectedRequest | InvalidField):
        return ErrorCategory.INVALID_REQUEST
    if isinstance(error, Unavailable):
        return ErrorCategory.RATE_LIMIT
    return classify(error) or ErrorCategory.SERVER
