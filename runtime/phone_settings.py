"""Settings of phone systems: what they sign with, and how their REST interfaces are reached."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class PhoneSettings(BaseSettings):
    """A part of `runtime.settings.Settings`. Where a secret is set, a connection without its proof is refused."""

    twilio_account_sid: str = Field(
        default="", description="Twilio account that hangs up and transfers; empty to do neither by Twilio's REST API."
    )
    twilio_auth_token: SecretStr = Field(
        default=SecretStr(""), description="Twilio auth token; set, every Twilio connection must be signed with it."
    )
    cloudonix_api_key: SecretStr = Field(
        default=SecretStr(""),
        description="Cloudonix domain API key: hangs up and transfers, and checks requests for answers.",
    )
    signalwire_space: str = Field(
        default="", description="Host of the SignalWire space, NAME.signalwire.com, for hanging up and transferring."
    )
    signalwire_project_id: str = Field(default="", description="SignalWire project.")
    signalwire_api_token: SecretStr = Field(default=SecretStr(""), description="SignalWire API token.")
    signalwire_signing_key: SecretStr = Field(
        default=SecretStr(""), description="SignalWire signing key; checks requests for answers."
    )
    signalwire_stream_token: SecretStr = Field(
        default=SecretStr(""), description="authBearerToken of SignalWire streams; set, each must bear it."
    )
    telnyx_api_key: SecretStr = Field(default=SecretStr(""), description="Telnyx API key: hangs up and transfers.")
    telnyx_connection_id: str = Field(
        default="", description="Telnyx Voice API application that calls others in warm transfers; empty for none."
    )
    telnyx_public_key: str = Field(
        default="", description="Telnyx public key (base64 of Ed25519); checks requests for answers."
    )
    telnyx_stream_token: SecretStr = Field(
        default=SecretStr(""), description="stream_auth_token of Telnyx streams; set, each must bear it."
    )
    plivo_auth_id: str = Field(default="", description="Plivo account that hangs up and transfers.")
    plivo_auth_token: SecretStr = Field(
        default=SecretStr(""), description="Plivo auth token; set, every Plivo connection must be signed with it."
    )
    vobiz_auth_id: str = Field(default="", description="Vobiz account that hangs up and transfers.")
    vobiz_auth_token: SecretStr = Field(
        default=SecretStr(""), description="Vobiz auth token; set, every Vobiz connection must be signed with it."
    )
    exotel_basic: SecretStr = Field(
        default=SecretStr(""), description="USER:PASSWORD of Exotel streams; set, each must bear it."
    )
    vonage_application_id: str = Field(default="", description="Vonage application that hangs up and transfers.")
    vonage_private_key: SecretStr = Field(
        default=SecretStr(""), description="Private key of the Vonage application, PEM or a file's name."
    )
    vonage_signature_secret: SecretStr = Field(
        default=SecretStr(""),
        description="Vonage signature secret; set, every Vonage connection must bear a JWT signed with it.",
    )
    genesys_api_key: SecretStr = Field(default=SecretStr(""), description="API key of the AudioHook integration.")
    genesys_client_secret: SecretStr = Field(
        default=SecretStr(""),
        description="Client secret (base64) of the AudioHook integration; set, each must be signed with it.",
    )
    asterisk_basic: SecretStr = Field(
        default=SecretStr(""),
        description="USER:PASSWORD of Asterisk's websocket_client; set, every Asterisk connection must bear it.",
    )
    asterisk_ari_url: str = Field(
        default="", description="URL of Asterisk's REST interface, http://HOST:8088/ari: hangs up and transfers."
    )
    asterisk_ari_basic: SecretStr = Field(
        default=SecretStr(""), description="USER:PASSWORD of Asterisk's REST interface."
    )
    jambonz_basic: SecretStr = Field(
        default=SecretStr(""),
        description="USER:PASSWORD of jambonz' wsAuth; set, every jambonz connection must bear it.",
    )
    jambonz_api_url: str = Field(default="", description="URL of jambonz' REST API, https://HOST/v1: transfers.")
    jambonz_account_sid: str = Field(default="", description="jambonz account.")
    jambonz_api_key: SecretStr = Field(default=SecretStr(""), description="jambonz API key.")
    freeswitch_basic: SecretStr = Field(
        default=SecretStr(""),
        description="USER:PASSWORD of mod_audio_fork and mod_audio_stream; set, each must bear it.",
    )
    audiosocket_host: str = Field(default="127.0.0.1", description="Address to listen on for Asterisk's AudioSocket.")
    audiosocket_port: int = Field(
        default=-1, ge=-1, le=65_535, description="Port for Asterisk's AudioSocket; 0 picks a free one, -1 is none."
    )
