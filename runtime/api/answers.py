"""``/v1.0/answer/{carrier}/{id}``: what a carrier asks when a number is called, so that one URL is all its set-up.

The answer is the carrier's own document and opens the media stream of a new AIcall. What a caller would hear of an
error is a sentence instead, with status 200; a request that nobody vouches for is 403 always.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl
from uuid import UUID, uuid4

from fastapi import APIRouter, Path, Query, Request, Response
from loguru import logger

from adapters.answers.base import JSON_TYPE, XML_TYPE, Answer, Stream
from adapters.answers.table import CARRIERS, Carrier
from adapters.signatures.base import SignedRequest
from adapters.store.base import GrantKind
from models.aicall import Aicall, AicallWrite, AssistanceType
from models.errors import AicallError, Forbidden, NotFound, Unauthorized, Unavailable
from models.ids import DEFAULT_CUSTOMER_ID
from runtime.api.bodies import parse_json
from runtime.auth_gate import gate_of
from runtime.calls.new_call import create_call
from runtime.public_url import media_url, requested_url
from runtime.services import CurrentServices, Services
from runtime.settings import Settings
from runtime.tokens import verify_token

router = APIRouter(prefix="/answer", tags=["Answers"])

BUSY: Final = "All lines are busy at the moment. Please call again later. Goodbye."
"""Said where there is no room for another call."""
FAULT: Final = "This call cannot be taken at the moment. Goodbye."
"""Said where a call cannot be taken for another reason."""

CarrierName = Annotated[
    str, Path(alias="carrier", description=f"One of {', '.join(CARRIERS)}.", examples=["twilio"], max_length=64)
]
AssistanceId = Annotated[UUID, Path(alias="id", description="Id of the AI or the team that answers.")]
Token = Annotated[
    str,
    Query(
        description="The media token of the AI or the team, for a carrier whose secret is not set.",
        max_length=512,
        examples=[""],
    ),
]

_XML = '<Response><Connect><Stream url="wss://calls.example.com/ws/ID/TOKEN/twilio"/></Connect></Response>'
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The document in the carrier's own language; of an error, what the caller is told of it.",
        "content": {
            XML_TYPE: {"schema": {"type": "string"}, "example": _XML},
            JSON_TYPE: {
                "schema": {"anyOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]},
                "example": {"url": "wss://calls.example.com/ws/ID/TOKEN/exotel"},
            },
        },
    }
}


@router.get("/{carrier}/{id}", response_class=Response, responses=_RESPONSES)
async def get_answer(
    name: CarrierName, resource_id: AssistanceId, request: Request, services: CurrentServices, token: Token = ""
) -> Response:
    """Answer a call: make an AIcall, and return the document that connects the call to it.

    The carrier proves itself as its secret's setting wants; where that is not set, ``token`` or an API key does. What
    else the query holds is the carrier's.
    """
    return await _answer(services, request, name, resource_id, token)


@router.post("/{carrier}/{id}", response_class=Response, responses=_RESPONSES)
async def post_answer(
    name: CarrierName, resource_id: AssistanceId, request: Request, services: CurrentServices, token: Token = ""
) -> Response:
    """Answer a call, as the GET does: for carriers that send a form or JSON."""
    return await _answer(services, request, name, resource_id, token)


async def _answer(services: Services, request: Request, name: str, resource_id: UUID, token: str) -> Response:
    carrier = CARRIERS.get(name)
    if carrier is None:
        raise NotFound("carrier", name)
    signed = SignedRequest(
        url=requested_url(request, services.settings),
        headers={key.lower(): value for key, value in request.headers.items()},
        method=request.method,
        body=await request.body(),
    )
    # Set where an API key was shown.
    customer_id: UUID | None = getattr(request.state, "customer_id", None)
    if customer_id is None:
        await _check(services, carrier, resource_id, signed, token)
    try:
        services.capacity.check()
        aicall = await _new_aicall(services, resource_id, customer_id)
        call_token = await create_call(services, aicall)
    except AicallError as error:
        logger.warning("a call from {} was not answered: {}", carrier.name, error.message)
        declined = carrier.document.decline(BUSY if isinstance(error, Unavailable) else FAULT)
        if customer_id is not None or declined is None:
            raise
        return _response(declined)
    url = media_url(request, services.settings, aicall.id, call_token, carrier.name)
    said = carrier.call_of(_parameters(request, signed))
    # What streams must bear is the operator's: told to a carrier that has proved itself, and to no other customer.
    signed_by_carrier = customer_id is None and gate_of(services.settings).answers_signed(carrier.name)
    told = signed_by_carrier or aicall.customer_id == DEFAULT_CUSTOMER_ID
    return _response(carrier.document.connect(_stream(services.settings, carrier, url, said, told=told)))


async def _check(services: Services, carrier: Carrier, resource_id: UUID, request: SignedRequest, token: str) -> None:
    """Do nothing when the request is the carrier's.

    Raises:
        Forbidden: Nothing shows that it is.
    """
    gate, now = gate_of(services.settings), services.clock()
    if gate.answers_signed(carrier.name):
        try:
            gate.check_answer(carrier.name, request, now.timestamp())
        except Unauthorized as error:
            raise Forbidden(error.message) from None
        return
    grant = await services.store.get_grant(resource_id)
    lasting = grant is not None and grant.kind is not GrantKind.AICALL and now < grant.tm_expire
    if grant is None or not lasting or not verify_token(token, grant.token_sha256):
        raise Forbidden("the carrier's secret is not set, and the token or API key is missing or wrong")


async def _new_aicall(services: Services, resource_id: UUID, customer_id: UUID | None) -> Aicall:
    store, now = services.store, services.clock()
    try:
        ai = await store.get_ai(resource_id, customer_id=customer_id)
    except NotFound:
        team = await store.get_team(resource_id, customer_id=customer_id)
        ai = await store.get_ai(team.start_member.ai_id, customer_id=team.customer_id)
        body = AicallWrite(assistance_type=AssistanceType.TEAM, assistance_id=team.id)
        return Aicall.create(body, ai, id=uuid4(), now=now, team=team)
    return Aicall.create(AicallWrite(assistance_id=ai.id), ai, id=uuid4(), now=now)


def _parameters(request: Request, signed: SignedRequest) -> Mapping[str, Any]:
    """Return what the carrier says of the call: in the query, in a form, or as JSON."""
    said: dict[str, Any] = dict(parse_qsl(request.url.query, keep_blank_values=True))
    said |= {name: values[0] for name, values in signed.form.items()}
    if signed.headers.get("content-type", "").partition(";")[0].strip().lower() == JSON_TYPE:
        try:
            document = parse_json(signed.body)
        except json.JSONDecodeError:
            # A call is answered although nothing is known of it.
            document = None
        said |= document if isinstance(document, dict) else {}
    return said


def _stream(settings: Settings, carrier: Carrier, url: str, said: Mapping[str, str], *, told: bool) -> Stream:
    bearer = {"signalwire": settings.signalwire_stream_token}.get(carrier.name) if told else None
    basic = {"exotel": settings.exotel_basic, "jambonz": settings.jambonz_basic}.get(carrier.name) if told else None
    return Stream(
        url,
        said,
        bearer=bearer.get_secret_value() if bearer else "",
        user_password=basic.get_secret_value() if basic else "",
        signed=bool(settings.vonage_signature_secret.get_secret_value()),
    )


def _response(answer: Answer) -> Response:
    return Response(answer.body, HTTPStatus.OK, media_type=answer.media_type, headers={"Cache-Control": "no-store"})
