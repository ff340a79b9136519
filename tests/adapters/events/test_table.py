from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path

import pytest

from adapters.events.nats import NatsSink
from adapters.events.table import SINKS, WEBHOOK, SinkOptions, open_sinks
from models.errors import InvalidField
from tests.adapters.events.contract import SinkContract


def test_nothing_is_opened_that_is_not_set() -> None:
    assert open_sinks(SinkOptions()) == {}


async def test_what_is_set_is_opened(tmp_path: Path) -> None:
    credentials = tmp_path / "aicall.creds"
    credentials.touch()
    sinks = open_sinks(SinkOptions(nats_url="nats://127.0.0.1:1", nats_credentials=str(credentials)))
    assert sinks.keys() == {"nats"}
    assert isinstance(sinks["nats"], NatsSink)
    for sink in sinks.values():
        await sink.aclose()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    options = SinkOptions(nats_url="nats://127.0.0.1:1", nats_credentials=str(tmp_path / "nothing"))
    with pytest.raises(InvalidField) as refused:
        open_sinks(options)
    assert refused.value.field == "nats_credentials"


def test_names_are_told_apart_from_webhooks() -> None:
    names = [row.name for row in SINKS]
    assert len({WEBHOOK, *names}) == len(names) + 1
    # A webhook's queue is named by its id, 36 characters.
    assert all(name.isalnum() and len(name) < 32 for name in names)


@pytest.mark.parametrize("name", [WEBHOOK, *(row.name for row in SINKS)])
def test_every_sink_passes_the_suite(name: str) -> None:
    module = import_module(f"tests.adapters.events.test_{name}")
    suites = [it for _, it in inspect.getmembers(module, inspect.isclass) if issubclass(it, SinkContract)]
    assert [it for it in suites if it.__name__.startswith("Test")]
