"""``/api/v1/ai-assistants/{id}/cxml``: what a phone system asks when a call goes to an assistant (pbx facts A5).

It sends the call as its other webhooks do, with ``CallSid``, ``From`` and ``To`` among fields that are its own affair.
"""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapters.assistants.cxml import MEDIA_TYPE, check_action
from models.errors import InvalidFields
from runtime.api.assistants import AssistantId
from runtime.api.auth import CustomerId
from runtime.api.bodies import parse_json
from runtime.assistants import RoutedCall, document_for
from runtime.services import CurrentServices

router = APIRouter(prefix="/ai-assistants", tags=["AI assistants"])

_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"


class CallWebhook(BaseModel):
    """A call that is routed to an assistant; further fields are the phone system's own."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    CallSid: str = Field(
        pattern=r"^[a-zA-Z0-9_-]+$",
        max_length=255,
        description="The phone system's id of the call.",
        examples=["002a426a74e34c66b436f0e69764b142"],
    )
    From: str = Field(default="", max_length=255, description="Who calls.", examples=["+12125551234"])
    To: str = Field(default="", max_length=255, description="Who is called.", examples=["+14155551234"])
    Direction: str = Field(
        default="",
        max_length=50,
        description="Of a call that the phone system made itself it begins with outbound: From and To change places.",
        examples=["inbound"],
    )
    action: str = Field(
        default="",
        max_length=2000,
        description="What the phone system shall ask when the assistant is done, an http or https URL.",
        examples=["https://pbx.example.com/next"],
    )


_EXAMPLE = {"CallSid": "002a426a74e34c66b436f0e69764b142", "From": "+12125551234", "To": "+14155551234"}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The CXML document. An inactive or unknown assistant is a sentence and a hang-up.",
        "content": {
            MEDIA_TYPE: {
                "schema": {"type": "string"},
                "example": '<Response><Dial><Service provider="retell">+14155551234</Service></Dial></Response>',
            }
        },
    }
}


def _body() -> dict[str, Any]:
    """Describe the request's body; in JSON, what is not known may be null."""
    form, document = CallWebhook.model_json_schema(), CallWebhook.model_json_schema()
    for name in document["properties"].keys() - set(document["required"]):
        document["properties"][name]["type"] = ["string", "null"]
    schemas = {_FORM: form, _JSON: document}
    content = {kind: {"schema": schema, "example": _EXAMPLE} for kind, schema in schemas.items()}
    return {"requestBody": {"required": True, "content": content}}


@router.get("/{id}/cxml", response_class=Response, responses=_RESPONSES)
async def get_cxml(
    assistant_id: AssistantId,
    request: Request,
    customer_id: CustomerId,
    services: CurrentServices,
    call: Annotated[CallWebhook, Query()],
) -> Response:
    """Answer a call: return the document that connects it to an assistant.

    For an assistant of this runtime that makes an AIcall, so every request is a call of its own. Beside
    ``Authorization``, the key may stand in ``X-Cx-Apikey``.
    """
    return await _answer(services, request, assistant_id, customer_id, call)


@router.post("/{id}/cxml", response_class=Response, responses=_RESPONSES, openapi_extra=_body())
async def post_cxml(
    assistant_id: AssistantId, request: Request, customer_id: CustomerId, services: CurrentServices
) -> Response:
    """Answer a call, as the GET does: for phone systems that send a form or JSON."""
    said: dict[str, Any] = dict(request.query_params)
    body = await request.body()
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == _JSON:
        document = _json_of(body)
        said |= {name: value for name, value in document.items() if value is not None}
    else:
        said |= dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        call = CallWebhook.model_validate(said)
    except ValidationError as error:
        problems = [(".".join(map(str, it["loc"])), _message(it["type"], it["msg"])) for it in error.errors()]
        raise InvalidFields(problems) from None
    return await _answer(services, request, assistant_id, customer_id, call)


async def _answer(
    services: CurrentServices, request: Request, assistant_id: int, customer_id: CustomerId, call: CallWebhook
) -> Response:
    check_action(call.action)
    routed = RoutedCall(call.CallSid, call.From, call.To, call.Direction, call.action)
    document = await document_for(services, request, assistant_id, customer_id, routed)
    return Response(document, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


def _json_of(body: bytes) -> dict[str, Any]:
    try:
        document = parse_json(body)
    except json.JSONDecodeError as error:
        wrong = {"type": "json_invalid", "loc": ("body", error.pos), "msg": "", "ctx": {"error": error.msg}}
        raise RequestValidationError([wrong]) from None
    if not isinstance(document, dict):
        raise InvalidFields([("body", "must be a JSON object")])
    return document


def _message(kind: str, message: str) -> str:
    return "is required" if kind == "missing" else message
