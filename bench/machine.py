"""The machine and the versions that figures belong to."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Final

import psutil

from bench.processes import Cores

_PACKAGES: Final = ("pipecat-ai", "onnxruntime", "fastapi", "uvicorn", "websockets", "openai", "deepgram-sdk")


def describe_machine(cores: Cores) -> dict[str, object]:
    """Return what a reader needs to judge figures by.

    Args:
        cores: How the processes were pinned.
    """
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "server_core": cores.server,
        "callers_core": cores.rest,
        "load_average": [round(load, 2) for load in psutil.getloadavg()],
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _cpu_name() -> str:
    """Return the processor's name (Linux's ``/proc/cpuinfo``, see ``man 5 proc``), else what the platform says."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
