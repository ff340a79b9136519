"""Whether a phone system's request is genuine, by the secrets of the settings.

The token in a media URL's path is asked of every connection, elsewhere. Here stands what a phone system must show
beside it: where its secret is set, its connections must prove that they know it, before they are accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from adapters.media.base import Handshake
from adapters.media.telnyx import TOKEN_HEADER
from adapters.signatures.audiohook import KEY_HEADER, AudioHookSignature
from adapters.signatures.base import RequestAuth, SignedRequest
from adapters.signatures.basic import BasicCredentials
from adapters.signatures.bearer import BearerKey
from adapters.signatures.plivo import PlivoSignature
from adapters.signatures.telnyx import TelnyxSignature
from adapters.signatures.twilio import HEADER, SIGNALWIRE_HEADER, TwilioSignature
from adapters.signatures.vobiz import VobizSignature
from adapters.signatures.vonage import VonageJwt
from models.errors import Unauthorized
from runtime.settings import Settings

_ALIKE = frozenset({"cloudonix", "signalwire", "plivo", "vobiz"})
"""Protocols that may be signed under the names of another system's headers, with a secret that is not set here. They
have to be named then: by those headers they would be taken for the other one."""


class AuthGate:
    """Checks what phone systems show.

    Args:
        connections: The schemes of media connections; each knows its protocols.
        answers: The schemes of requests for answers, by carrier.
    """

    def __init__(self, connections: Iterable[RequestAuth], answers: Mapping[str, Sequence[RequestAuth]]) -> None:
        self._connections = tuple(connections)
        self._answers = answers

    def check_connection(self, handshake: Handshake, protocol: str | None, now_s: float) -> None:
        """Do nothing when a connection may be what it says that it is.

        Args:
            handshake: The upgrade request.
            protocol: Name of its media protocol; None when the first message has to show it.
            now_s: The moment, seconds since 1970.

        Raises:
            Unauthorized: A proof is missing or wrong.
        """
        if not self._connections:
            return
        request = SignedRequest(handshake.url, handshake.headers)
        covering = [scheme for scheme in self._connections if protocol in scheme.protocols]
        if covering:
            _pass_one(covering, request, now_s)
            return
        shown = [scheme for scheme in self._connections if scheme.presented(request)]
        if protocol is not None:
            # No secret is set for it. A forged signature of another system is none the less one.
            alike = protocol in _ALIKE and bool(handshake.query.get("protocol"))
            for scheme in shown:
                if scheme.exclusive and not alike:
                    scheme.check(request, now_s)
            return
        # One that does not say what it speaks may turn out to be any of them, and then it would be accepted already.
        if not shown:
            raise Unauthorized("no signature or password is shown, and no protocol without one is named")
        _pass_one(shown, request, now_s)

    def answers_signed(self, carrier: str) -> bool:
        """Say whether a carrier's requests for answers must be signed: whether its secret is set."""
        return bool(self._answers.get(carrier))

    def check_answer(self, carrier: str, request: SignedRequest, now_s: float) -> None:
        """Do nothing when a request for an answer comes from its carrier.

        Args:
            carrier: Name of the carrier, whose secret is set.
            request: The request.
            now_s: The moment, seconds since 1970.

        Raises:
            Unauthorized: The proof is missing or wrong.
        """
        _pass_one(self._answers.get(carrier, ()), request, now_s)


def _pass_one(schemes: Sequence[RequestAuth], request: SignedRequest, now_s: float) -> None:
    """Let a request pass that passes any of the schemes.

    Raises:
        Unauthorized: It passes none; the message is that of one whose credential was shown.
    """
    failed = Unauthorized("there is no way to prove this")
    for scheme in sorted(schemes, key=lambda it: it.presented(request)):
        try:
            scheme.check(request, now_s)
        except Unauthorized as error:
            failed = error
        else:
            return
    raise failed


@lru_cache(maxsize=4)
def gate_of(settings: Settings) -> AuthGate:
    """Return the gate of these settings; one for all that is asked of them, since it remembers what it saw.

    Raises:
        InvalidField: A key cannot be read; names its setting.
    """
    vonage_secret = settings.vonage_signature_secret.get_secret_value()
    plivo, vobiz = (it.get_secret_value() for it in (settings.plivo_auth_token, settings.vobiz_auth_token))
    twilio = settings.twilio_auth_token.get_secret_value()
    connections: list[RequestAuth] = []
    answers: dict[str, list[RequestAuth]] = {}
    if twilio:
        connections.append(TwilioSignature(twilio, {"twilio"}))
        answers["twilio"] = [TwilioSignature(twilio)]
    if key := settings.signalwire_signing_key.get_secret_value():
        answers["signalwire"] = [TwilioSignature(key, headers=(SIGNALWIRE_HEADER, HEADER))]
    if plivo:
        connections.append(PlivoSignature(plivo, {"plivo"}))
        answers["plivo"] = [PlivoSignature(plivo)]
    if vobiz:
        # It began as a copy of Plivo, and may still sign under Plivo's names.
        schemes = [VobizSignature(vobiz, {"vobiz"}), PlivoSignature(vobiz, {"vobiz"})]
        connections += schemes
        answers["vobiz"] = [*schemes]
    if vonage_secret:
        vonage = VonageJwt(vonage_secret, {"vonage"}, settings.vonage_application_id)
        connections.append(vonage)
        answers["vonage"] = [vonage]
    if settings.telnyx_public_key:
        answers["telnyx"] = [TelnyxSignature(settings.telnyx_public_key)]
    if key := settings.cloudonix_api_key.get_secret_value():
        answers["cloudonix"] = [BearerKey(key, headers=("x-cx-apikey",))]
    return AuthGate([*connections, *_shared_keys(settings)], answers)


def _shared_keys(settings: Settings) -> list[RequestAuth]:
    """Return the schemes of media connections in which the secret itself is sent, and Genesys'."""
    schemes: list[RequestAuth] = []
    if key := settings.signalwire_stream_token.get_secret_value():
        schemes.append(BearerKey(key, {"signalwire"}))
    if key := settings.telnyx_stream_token.get_secret_value():
        schemes.append(BearerKey(key, {"telnyx"}, headers=(TOKEN_HEADER, "authorization")))
    for secret, protocols in (
        (settings.exotel_basic, {"exotel"}),
        (settings.asterisk_basic, {"asterisk"}),
        (settings.jambonz_basic, {"jambonz"}),
        (settings.freeswitch_basic, {"mod_audio_fork", "mod_audio_stream"}),
    ):
        if user_password := secret.get_secret_value():
            schemes.append(BasicCredentials(user_password, protocols))
    api_key, client_secret = (
        it.get_secret_value() for it in (settings.genesys_api_key, settings.genesys_client_secret)
    )
    if client_secret:
        schemes.append(AudioHookSignature(api_key, client_secret, {"genesys"}))
    elif api_key:
        schemes.append(BearerKey(api_key, {"genesys"}, headers=(KEY_HEADER,)))
    return schemes
