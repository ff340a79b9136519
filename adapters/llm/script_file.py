"""Finding and reading scripts: YAML files by name, parsed once per process."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from adapters.llm.script_model import Script
from models.errors import InvalidField

BUNDLED = Path(__file__).parent / "scripts"
"""Folder of the scripts that come with the runtime."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_MAX_BYTES = 1_000_000


class _Loader(yaml.SafeLoader):
    """YAML in which only ``true`` and ``false`` are truth values, since ``yes`` and ``no`` are what callers say."""


_BOOL = "tag:yaml.org,2002:bool"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile("true|false"), list("tf"))


def load_script(name: str, directory: Path | None = None) -> Script:
    """Return the script ``<name>.yaml``. A file is parsed again only after it has changed.

    Args:
        name: Lower-case letters, digits, ``_`` and ``-``: the part of ``engine_model`` behind ``script.``.
        directory: A folder to look in before the bundled scripts.

    Raises:
        InvalidField: There is no such script (``engine_model``), or it is wrong: the field is then
            ``file.yaml:line: dotted.path``.
    """
    if _NAME.fullmatch(name):
        for folder in (directory, BUNDLED):
            path = folder / f"{name}.yaml" if folder else None
            if path is not None and path.is_file():
                return _read(path, path.stat().st_mtime_ns)
    raise InvalidField("engine_model", "there is no script of this name")


def list_scripts(directory: Path | None = None) -> tuple[str, ...]:
    """Return the names that `load_script` knows, sorted."""
    folders = [folder for folder in (directory, BUNDLED) if folder is not None and folder.is_dir()]
    return tuple(sorted({path.stem for folder in folders for path in folder.glob("*.yaml")}))


def parse_script(text: str, file: str = "script.yaml") -> Script:
    """Parse a script.

    Args:
        text: YAML.
        file: Name to show in errors.

    Raises:
        InvalidField: As `load_script`.
    """
    try:
        tree = yaml.compose(text, Loader=_Loader)
        document = yaml.load(text, Loader=_Loader)  # noqa: S506  a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidField(f"{file}:{line}", error.problem or "is not valid YAML") from None
    except (yaml.YAMLError, RecursionError):
        raise InvalidField(f"{file}:1", "is not valid YAML") from None
    if not isinstance(document, dict):
        raise InvalidField(f"{file}:1", "must be a mapping")
    try:
        return Script.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        location, message = first["loc"], first["msg"].removeprefix("Value error, ")
        # A check of the whole script names the place at the beginning of its message.
        if not location and (named := re.match(r"(rules)\.(\d+)\.(\w+): ", message)):
            location, message = (named[1], int(named[2]), named[3]), message[named.end() :]
        dotted = ".".join(map(str, location))
        raise InvalidField(f"{file}:{_line(tree, location)}: {dotted}", message) from None


@lru_cache(maxsize=64)
def _read(path: Path, mtime_ns: int) -> Script:
    del mtime_ns
    if path.stat().st_size > _MAX_BYTES:
        raise InvalidField(f"{path.name}:1", "is too large for a script")
    try:
        return parse_script(path.read_text(encoding="utf-8"), path.name)
    except UnicodeDecodeError:
        raise InvalidField(f"{path.name}:1", "is not UTF-8 text") from None


def _line(tree: yaml.Node | None, location: tuple[Any, ...]) -> int:
    """Return the line, from one, of the deepest part of a location that the file has."""
    line = 1
    for step in location:
        found: yaml.Node | None = None
        if isinstance(tree, yaml.MappingNode):
            for key, value in tree.value:
                if key.value == step:
                    found, line = value, key.start_mark.line + 1
        elif isinstance(tree, yaml.SequenceNode) and isinstance(step, int) and step < len(tree.value):
            found = tree.value[step]
            line = found.start_mark.line + 1
        if found is None:
            break
        tree = found
    return line
