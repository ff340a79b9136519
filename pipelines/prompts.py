"""The system prompt of a call: the AI's own, with the call's variables put in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from models.options import model_parameters

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """Put variables into ``${name}``; a name that nobody set becomes empty."""
    return _VARIABLE.sub(lambda match: variables.get(match.group(1).strip(), ""), text)


def substitute_leaves(value: Any, variables: Mapping[str, str]) -> Any:
    """Put variables into every text of a JSON value."""
    match value:
        case str():
            return substitute(value, variables)
        case dict():
            return {key: substitute_leaves(item, variables) for key, item in value.items()}
        case list():
            return [substitute_leaves(item, variables) for item in value]
        case _:
            return value


def system_instruction(init_prompt: str, parameter: dict[str, Any], variables: Mapping[str, str]) -> str:
    """Return the system prompt.

    Args:
        init_prompt: The AI's own prompt.
        parameter: The call's ``parameter``; what is not the runtime's own is told to the model as JSON.
        variables: What ``${name}`` stands for.
    """
    prompt = substitute(init_prompt, variables)
    shown = substitute_leaves(model_parameters(parameter), variables)
    return f"{prompt}\n\nParameters: {json.dumps(shown, ensure_ascii=False)}" if shown else prompt
