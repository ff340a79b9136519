"""Finds the classes by which a seat's adapters pass its contract suite."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TypeVar

Contract = TypeVar("Contract")


def contract_classes(seat: str, contract: type[Contract]) -> list[type[Contract]]:
    """Every test class of a seat's test modules that passes a contract.

    Args:
        seat: ``llm``, ``stt`` or ``tts``.
        contract: The contract's class.
    """
    found = []
    for path in sorted((Path(__file__).parent / seat).glob("test_*.py")):
        source = path.read_text(encoding="utf-8")
        if f"tests.adapters.{seat}.contract" in source and "\nclass Test" in source:
            module = import_module(f"tests.adapters.{seat}.{path.stem}")
            found += [it for name, it in vars(module).items() if name.startswith("Test") and isinstance(it, type)]
    return [it for it in found if issubclass(it, contract)]
