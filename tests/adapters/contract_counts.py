"""Counts the cases of the contract suites that each system passes, for ``docs/contracts.md``.

Run ``.venv/bin/python -m tests.adapters.contract_counts > docs/contracts.md`` after the suites have passed. The counts
are those of pytest's own collection, so a case that is not collected is not counted.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.adapters.contracts import contract_classes
from tests.adapters.llm.contract import LlmContract
from tests.adapters.stt.contract import SttContract
from tests.adapters.tts.contract import TtsContract

HEADER = """# Contract suites

Every system of a seat passes the suite of that seat (`tests/adapters/<seat>/contract.py`): what any must do, and what
one behind a vendor's API must do when the vendor fails. A case is a test with one set of parameters; *own* are those
that a system's class adds. A case skips itself where a vendor has no such feature (Gemini sends arguments of tools as
a structure and not as text; an agent of Dialogflow counts no tokens, and one of ES calls no tools). Counted from
pytest's collection by `python -m tests.adapters.contract_counts`; `make test` runs them all, and a system without the
suite fails it.
"""

SEATS = {"llm": ("Language models", LlmContract), "stt": ("Recognisers", SttContract), "tts": ("Voices", TtsContract)}


class _Collector:
    """Takes what pytest collects."""

    def __init__(self) -> None:
        self.contract: Counter[tuple[str, str]] = Counter()
        self.own: Counter[tuple[str, str]] = Counter()

    def pytest_collection_modifyitems(self, items: list[pytest.Function]) -> None:
        for item in items:
            if item.cls is None:
                continue
            seat = item.module.__name__.split(".")[2]
            name = item.originalname
            inherited = any(name in vars(base) and base.__name__.endswith("Contract") for base in item.cls.__mro__[1:])
            (self.contract if inherited else self.own)[seat, item.cls.__name__] += 1


def table(seat: str, collector: _Collector) -> Iterator[str]:
    """The lines of one seat's table."""
    heading, contract = SEATS[seat]
    yield f"\n## {heading}\n"
    yield "| system | stand-in | contract cases | own |"
    yield "|---|---|---|---|"
    for it in contract_classes(seat, contract):  # type: ignore[type-abstract]
        stand_in = getattr(it, "stand_in", None)
        key = (seat, it.__name__)
        played = f"`{stand_in.__name__}`" if stand_in else "itself"
        name = it.__name__.removeprefix("Test")
        yield f"| {name} | {played} | {collector.contract[key]} | {collector.own[key]} |"


def main() -> None:
    """Print the document."""
    collector = _Collector()
    stdout, sys.stdout = sys.stdout, sys.stderr
    folders = [f"tests/adapters/{seat}" for seat in SEATS]
    code = pytest.main(["--collect-only", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", *folders], [collector])
    sys.stdout = stdout
    if code:
        raise SystemExit(code)
    sys.stdout.write(HEADER + "\n".join(line for seat in SEATS for line in table(seat, collector)) + "\n")


if __name__ == "__main__":
    main()
