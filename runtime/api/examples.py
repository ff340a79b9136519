"""Examples for the OpenAPI document: those that stand here, and for everything else one made of its schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CUSTOMER = "5e4a0680-804e-11ec-8477-2fea5968d85b"
_ID = "a092c5d9-632c-48d7-b70b-499f2ca084b1"
_NIL = "00000000-0000-0000-0000-000000000000"
_MOMENT = "2024-03-01T10:00:00.000000Z"
_NOT_YET = "9999-01-01T00:00:00.000000Z"

BY_SCHEMA: Mapping[str, Any] = {
    "Problem": {
        "type": "urn:aicall:problem:unprocessable-entity",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "vad_config.stop_secs: Input should be less than or equal to 30",
        "instance": "/v1.0/ais",
        "errors": [{"field": "vad_config.stop_secs", "message": "Input should be less than or equal to 30"}],
    },
    "ErrorBag": {
        "type": "urn:aicall:problem:unprocessable-entity",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "configuration.phone_number: Phone Number is required",
        "instance": "/api/v1/ai-assistants",
        "message": "Phone Number is required",
        "error": "Unprocessable Entity",
        "errors": {"configuration.phone_number": ["Phone Number is required"]},
    },
    "AiAssistantWrite": {
        "name": "Sales",
        "description": "Answers the sales line.",
        "status": "active",
        "provider": "retell",
        "configuration": {"phone_number": "+14155551234"},
    },
    "AiAssistantChange": {"name": "Sales", "status": "inactive"},
    "AssistantReferenceWrite": {"type": "did_number", "key": "+12125551234", "label": "Main line"},
    "FieldProblem": {"field": "vad_config.stop_secs", "message": "Input should be less than or equal to 30"},
    "Keys": {"digits": "12#"},
    "MediaConnect": {
        "url": "wss://203.0.113.10:8089/media/6f1bd7a6-0001",
        "protocol": "asterisk",
        "session": "1761245643.0",
        "from": "+15551230001",
        "to": "100",
    },
}
"""Examples of whole schemas, where one made of the fields would mislead."""

BY_FIELD: Mapping[str, Any] = {
    "id": _ID,
    "customer_id": _CUSTOMER,
    "aicall_id": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "assistance_id": _ID,
    "rag_id": _NIL,
    "activeflow_id": _NIL,
    "reference_id": _NIL,
    "confbridge_id": _NIL,
    "current_member_id": _NIL,
    "name": "Front desk",
    "detail": "Answers the main line.",
    "engine_model": "openai.gpt-4o",
    "ai_engine_model": "openai.gpt-4o",
    "engine_key": "sk-your-key",
    "init_prompt": "You answer the phone of a dental practice. Be brief and friendly.",
    "tts_type": "elevenlabs",
    "ai_tts_type": "elevenlabs",
    "tts_voice_id": "EXAVITQu4vr4xnSDxMaL",
    "ai_tts_voice_id": "EXAVITQu4vr4xnSDxMaL",
    "stt_type": "deepgram",
    "ai_stt_type": "deepgram",
    "stt_language": "en-US",
    "tool_names": ["stop_service", "set_variables"],
    "parameter": {"greeting": "Good morning, how can I help you?"},
    "end_reason": "",
    "status": "progressing",
    "role": "user",
    "content": "I would like to book an appointment.",
    "direction": "incoming",
    "tool_calls": [],
    "tool_call_id": "",
    "interrupted": False,
    "audiosocket_uuid": "6c3d2c1e-8f4b-4a51-9d0e-2b7a90c1f3aa",
    "media_url": "wss://calls.example.com/ws/a1b2c3d4-e5f6-7890-abcd-ef1234567890/TOKEN",
    "key": "aic_a092c5d9632c48d7b70b499f2ca084b1_SECRET",
    "prefix": "aic_a092c5d9632c48d7b70b499f2ca084b1",
    "scopes": ["read", "calls"],
    "max_calls": 10,
    "max_spend": 2.5,
    "sequence": 1,
    "type": "aicall_status_progressing",
    "languages": ["en"],
    "next_page_token": "",
    "page_token": "",
    "page_size": 20,
    "after": "",
    "limit": 100,
    "tm_create": _MOMENT,
    "tm_update": _NOT_YET,
    "tm_delete": _NOT_YET,
    "tm_end": _NOT_YET,
    "tm_last_used": _NOT_YET,
    "url": "https://hooks.example.com/aicall",
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "event_types": ["aicall_status_*", "aimessage_created"],
    "event_id": "1",
}
"""Examples by the name of the field, used where they fit its schema's type."""

_BY_FORMAT = {
    "uuid": _ID,
    "date-time": _MOMENT,
    "uri": "https://example.com/",
    "binary": "",
    "password": "a-secret",
}
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}
_DEEPEST = 8


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str = "", depth: int = 0) -> Any:
    """Make an example of a schema.

    Args:
        schema: The schema.
        schemas: All of the document's, by name.
        name: Name of the field that it describes; '' for none.
        depth: How many schemas it stands in.
    """
    if "$ref" in schema:
        target = schema["$ref"].rpartition("/")[2]
        if target in BY_SCHEMA:
            return BY_SCHEMA[target]
        return example_of(schemas[target], schemas, name, depth)
    for key in ("examples", "example", "const", "enum"):
        if schema.get(key):
            return (
                schema[key][0] if key in {"examples", "enum"} and not _fits(name, schema) else _given(key, name, schema)
            )
    if _fits(name, schema):
        return BY_FIELD[name]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            kinds = [kind for kind in schema[key] if kind.get("type") != "null"] or schema[key]
            return example_of(kinds[0], schemas, name, depth + 1)
    if schema.get("default") is not None:
        return schema["default"]
    return _of_type(schema, schemas, depth)


def _given(key: str, name: str, schema: Mapping[str, Any]) -> Any:
    if key == "enum":
        return BY_FIELD[name] if BY_FIELD.get(name) in schema["enum"] else schema["enum"][0]
    return schema["examples"][0] if key == "examples" else schema[key]


def _fits(name: str, schema: Mapping[str, Any]) -> bool:
    """Say whether the field's own example is of its schema's type, and one of its values where they are listed."""
    if name not in BY_FIELD:
        return False
    if "enum" in schema:
        return BY_FIELD[name] in schema["enum"]
    kinds = [schema, *schema.get("anyOf", ())]
    return any(_is_one(BY_FIELD[name], kind) for kind in kinds if kind.get("type") in _TYPES)


def _is_one(value: Any, schema: Mapping[str, Any]) -> bool:
    if not isinstance(value, _TYPES[schema["type"]]):
        return False
    return not isinstance(value, int | float) or schema.get("minimum", value) <= value <= schema.get("maximum", value)


def _of_type(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int) -> Any:
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        if depth > _DEEPEST:
            return {}
        return {field: example_of(it, schemas, field, depth + 1) for field, it in schema.get("properties", {}).items()}
    if kind == "array":
        return [example_of(schema["items"], schemas, "", depth + 1)] if schema.get("items") and depth < _DEEPEST else []
    if kind == "string":
        return _BY_FORMAT.get(schema.get("format", ""), "text")
    if kind in {"integer", "number"}:
        return schema.get("minimum", 1)
    return {"boolean": False, "null": None}.get(str(kind), {})
