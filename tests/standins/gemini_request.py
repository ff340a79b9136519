"""What Gemini refuses in a request for content.

Written after https://ai.google.dev/api/generate-content, https://ai.google.dev/api/caching#Content,
https://ai.google.dev/gemini-api/docs/function-calling and https://ai.google.dev/gemini-api/docs/thinking.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.standins.base import HttpError
from tests.standins.replies import ChatMessage, ChatRequest

_ANY: dict[str, Any] = {}
"""Fields that are not looked into."""

_SCHEMA = dict.fromkeys(
    (
        *("type", "format", "title", "description", "nullable", "enum", "items", "properties", "required", "anyOf"),
        *("minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength", "pattern", "example"),
        *("propertyOrdering", "default", "minimum", "maximum"),
    ),
    _ANY,
)
_FUNCTION = {"name": _ANY, "description": _ANY, "behavior": _ANY, "parameters": _SCHEMA, "response": _SCHEMA}
_FUNCTION |= {"parametersJsonSchema": _ANY, "responseJsonSchema": _ANY}
_PART_DATA = {
    "text": _ANY,
    "inlineData": {"mimeType": _ANY, "data": _ANY},
    "functionCall": {"id": _ANY, "name": _ANY, "args": _ANY},
    "functionResponse": dict.fromkeys(("id", "name", "response", "parts", "willContinue", "scheduling"), _ANY),
    "fileData": {"mimeType": _ANY, "fileUri": _ANY},
    "executableCode": {"language": _ANY, "code": _ANY},
    "codeExecutionResult": {"outcome": _ANY, "output": _ANY},
}
_PART = _PART_DATA | dict.fromkeys(("thought", "thoughtSignature", "partMetadata", "videoMetadata"), _ANY)
_CONTENT = {"parts": _PART, "role": _ANY}
_REQUEST = {
    "contents": _CONTENT,
    "systemInstruction": _CONTENT,
    "tools": dict.fromkeys(("googleSearch", "codeExecution", "urlContext", "googleMaps"), _ANY)
    | {"functionDeclarations": _FUNCTION},
    "toolConfig": {"functionCallingConfig": {"mode": _ANY, "allowedFunctionNames": _ANY}, "retrievalConfig": _ANY},
    "safetySettings": {"category": _ANY, "threshold": _ANY},
    "generationConfig": dict.fromkeys(
        (
            *("stopSequences", "responseMimeType", "responseSchema", "responseJsonSchema", "responseModalities"),
            *("candidateCount", "maxOutputTokens", "temperature", "topP", "topK", "seed", "presencePenalty"),
            *("frequencyPenalty", "responseLogprobs", "logprobs", "speechConfig", "mediaResolution"),
        ),
        _ANY,
    )
    | {"thinkingConfig": {"includeThoughts": _ANY, "thinkingBudget": _ANY, "thinkingLevel": _ANY}},
    "cachedContent": _ANY,
    "serviceTier": _ANY,
    "store": _ANY,
}
"""The request's fields. Those without an entry of their own are free in form."""

_TYPES = {"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"}
_LEVELS = ("MINIMAL", "LOW", "MEDIUM", "HIGH")
_ENDS_WITH_MODEL = ("gemini-2.", "gemini-3-", "gemini-3.1-")
"""Models that go on with an answer that was begun."""


def parse_request(model: str, body: Any) -> ChatRequest:
    """Read a request as strictly as Gemini does.

    Raises:
        HttpError: With status 400: an unknown field, no contents, an unknown role, an empty part, function responses
            that answer no calls, a malformed function declaration, a thinking that the model does not have.
    """
    if not isinstance(body, dict):
        raise HttpError(400, "Invalid JSON payload received.")
    request = _normal(body, _REQUEST, "")
    contents = request.get("contents")
    if not isinstance(contents, list) or not contents:
        raise HttpError(400, "* GenerateContentRequest.contents: contents is not specified", field="contents")
    system = request.get("systemInstruction")
    messages = [ChatMessage("system", _text(system.get("parts", [])))] if system else []
    for index, content in enumerate(contents):
        messages += _read_content(content, index)
    _check_turns(contents, model)
    _check_thinking(request.get("generationConfig", {}).get("thinkingConfig"), model)
    declared = [it for tool in request.get("tools") or [] for it in tool.get("functionDeclarations", [])]
    return ChatRequest(model, tuple(messages), _check_functions(declared), body)


def _normal(value: Any, known: Mapping[str, Any], where: str) -> Any:
    """Bring names into camel case, of which protocol buffers' JSON also takes the snake form, and refuse others."""
    if isinstance(value, list):
        return [_normal(item, known, f"{where}[{index}]") for index, item in enumerate(value)]
    if not known or not isinstance(value, dict):
        return value
    normal = {}
    for given, item in value.items():
        name = re.sub(r"_([a-z])", lambda match: match[1].upper(), given)
        if name not in known:
            at = f" at '{where}'" if where else ""
            message = f'Invalid JSON payload received. Unknown name "{given}"{at}: Cannot find field.'
            raise HttpError(400, message, field=where)
        normal[name] = _normal(item, known[name], f"{where}.{given}" if where else given)
    return normal


def _read_content(content: Any, index: int) -> list[ChatMessage]:
    role, parts = content.get("role", "user"), content.get("parts")
    if role not in ("user", "model"):
        raise HttpError(400, "Please use a valid role: user, model.")
    where = f"contents[{index}].parts"
    if not isinstance(parts, list) or not parts:
        raise HttpError(400, f"* GenerateContentRequest.{where}: contents.parts must not be empty.", field=where)
    for number, part in enumerate(parts):
        if len(_PART_DATA.keys() & part.keys()) != 1:
            at = f"{where}[{number}].data"
            message = f"* GenerateContentRequest.{at}: required oneof field 'data' must have one initialized field"
            raise HttpError(400, message, field=at)
        call = part.get("functionCall") or part.get("functionResponse")
        if call is not None and not call.get("name"):
            raise HttpError(400, f"* GenerateContentRequest.{where}[{number}]: Name cannot be empty.", field=where)
        if "functionResponse" in part and not isinstance(part["functionResponse"].get("response"), dict):
            raise HttpError(400, f"Invalid value at '{where}[{number}].function_response.response'", field=where)
    results = [part["functionResponse"]["response"] for part in parts if "functionResponse" in part]
    messages = [ChatMessage("tool", _result_text(result)) for result in results]
    text = _text(parts)
    return messages + ([ChatMessage("assistant" if role == "model" else role, text)] if text or not results else [])


def _check_turns(contents: Sequence[Any], model: str) -> None:
    """Function calls follow the user's turn, and their responses, one for each, follow them at once."""
    pending = 0
    for index, content in enumerate(contents):
        calls = sum("functionCall" in part for part in content["parts"])
        responses = sum("functionResponse" in part for part in content["parts"])
        if responses and not pending:
            raise HttpError(
                400, "Please ensure that function response turn comes immediately after a function call turn."
            )
        if pending != responses:
            raise HttpError(
                400,
                "Please ensure that the number of function response parts is equal to the number of function call parts"
                " of the function call turn.",
            )
        if calls and (not index or contents[index - 1].get("role") == "model"):
            raise HttpError(
                400,
                "Please ensure that function call turn comes immediately after a user turn or after a function response"
                " turn.",
            )
        pending = calls
    if pending or (contents[-1].get("role") == "model" and not model.startswith(_ENDS_WITH_MODEL)):
        raise HttpError(400, "Please ensure that the request ends with a user turn or a function response turn.")


def _check_thinking(config: Any, model: str) -> None:
    if not config:
        return
    level, budget = config.get("thinkingLevel"), config.get("thinkingBudget")
    if level is not None and budget is not None:
        raise HttpError(400, "You can only set only one of thinking budget and thinking level.")
    if level is not None:
        if model.startswith("gemini-2."):
            raise HttpError(400, "Thinking level is not supported for this model.")
        if str(level).upper() not in _LEVELS:
            raise HttpError(400, f"Invalid value at 'generation_config.thinking_config.thinking_level', \"{level}\"")
        if str(level).upper() == "MINIMAL" and re.match(r"gemini-(3\.[78]-flash$|3\.1-pro|4-)", model):
            raise HttpError(400, "Thinking level MINIMAL is not supported for this model.")
    if budget == 0 and model.startswith("gemini-2.5-pro"):
        raise HttpError(400, "Budget 0 is invalid. This model only works in thinking mode.")


def _check_functions(declared: Sequence[Any]) -> tuple[str, ...]:
    names: list[str] = []
    for function in declared:
        name = function.get("name", "")
        if not re.fullmatch(r"[A-Za-z_][\w.:-]{0,127}", name):
            raise HttpError(
                400,
                "Invalid function name. Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, "
                "0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 128.",
            )
        if name in names:
            raise HttpError(400, f"Duplicate function declaration found: {name}")
        _check_schema(function.get("parameters"), name)
        names.append(name)
    return tuple(names)


def _check_schema(schema: Any, where: str) -> None:
    if not schema:
        return
    kind = str(schema.get("type", "")).upper()
    if kind not in _TYPES:
        raise HttpError(400, f"Invalid value at '{where}.type'")
    properties = schema.get("properties") or {}
    for name in schema.get("required") or []:
        if name not in properties:
            raise HttpError(400, f"* {where}.required: only allowed for OBJECT type and defined properties: {name}")
    if kind == "ARRAY" and not schema.get("items"):
        raise HttpError(400, f"* {where}.items: missing field.")
    for name, inner in properties.items():
        _check_schema(inner, f"{where}.{name}")


def _text(parts: Sequence[Any]) -> str:
    return " ".join(part["text"] for part in parts if part.get("text") and not part.get("thought"))


def _result_text(result: Mapping[str, Any]) -> str:
    return " ".join(str(value) for value in result.values())
