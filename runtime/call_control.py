"""Makes the call control of the process from the settings: one adapter for each phone system that is configured."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import httpx

from adapters.callcontrol.asterisk_ari import AsteriskAri
from adapters.callcontrol.base import CallControl
from adapters.callcontrol.cloudonix import CLOUDONIX_URL, CloudonixControl
from adapters.callcontrol.documents import DocumentLinks
from adapters.callcontrol.jambonz import JambonzControl
from adapters.callcontrol.plivo import PLIVO_URL, VOBIZ_URL, PlivoControl, VobizControl
from adapters.callcontrol.telnyx import TELNYX_URL, TelnyxControl
from adapters.callcontrol.twilio_rest import TWILIO_URL, SignalWireRestControl, TwilioRestControl
from adapters.callcontrol.vonage import VONAGE_URL, VonageControl
from adapters.guard import AddressGuard
from runtime.settings import BASE_URL_PREFIX, Settings


def make_systems(
    settings: Settings,
    environ: Mapping[str, str],
    guard: AddressGuard,
    links: DocumentLinks,
    new_client: Callable[[], httpx.AsyncClient],
) -> list[CallControl]:
    """Return one for each phone system whose credentials are set. Connects to nobody.

    Args:
        settings: The settings.
        environ: Environment variables: ``AICALL_BASE_URL_<SYSTEM>``.
        guard: Checks the URLs.
        links: Makes the URLs of instructions.
        new_client: Makes an HTTP client, which the adapter closes.

    Raises:
        InvalidField: A setting is wrong; names it.
    """

    def base_url(system: str, usual: str) -> str:
        variable = BASE_URL_PREFIX + system
        return guard.check_url(variable, environ.get(variable) or usual)

    made: list[CallControl] = []
    if settings.twilio_account_sid and settings.twilio_auth_token.get_secret_value():
        url = base_url("TWILIO", TWILIO_URL)
        made.append(
            TwilioRestControl(settings.twilio_account_sid, settings.twilio_auth_token, new_client(), base_url=url)
        )
    if settings.signalwire_space and settings.signalwire_api_token.get_secret_value():
        url = base_url("SIGNALWIRE", f"https://{settings.signalwire_space}/api/laml")
        project_id, token = settings.signalwire_project_id, settings.signalwire_api_token
        made.append(
            SignalWireRestControl(settings.signalwire_space, project_id, token, new_client(), links, base_url=url)
        )
    if settings.cloudonix_api_key.get_secret_value():
        url = base_url("CLOUDONIX", CLOUDONIX_URL)
        made.append(CloudonixControl(settings.cloudonix_api_key, new_client(), base_url=url))
    if settings.telnyx_api_key.get_secret_value():
        url, connection_id = base_url("TELNYX", TELNYX_URL), settings.telnyx_connection_id
        made.append(TelnyxControl(settings.telnyx_api_key, new_client(), connection_id=connection_id, base_url=url))
    if settings.plivo_auth_id and settings.plivo_auth_token.get_secret_value():
        url = base_url("PLIVO", PLIVO_URL)
        made.append(PlivoControl(settings.plivo_auth_id, settings.plivo_auth_token, new_client(), links, base_url=url))
    if settings.vobiz_auth_id and settings.vobiz_auth_token.get_secret_value():
        url = base_url("VOBIZ", VOBIZ_URL)
        made.append(VobizControl(settings.vobiz_auth_id, settings.vobiz_auth_token, new_client(), links, base_url=url))
    if settings.vonage_application_id and settings.vonage_private_key.get_secret_value():
        url = base_url("VONAGE", VONAGE_URL)
        made.append(
            VonageControl(settings.vonage_application_id, settings.vonage_private_key, new_client(), base_url=url)
        )
    if settings.asterisk_ari_url:
        url = guard.check_url("asterisk_ari_url", settings.asterisk_ari_url)
        made.append(AsteriskAri(url, settings.asterisk_ari_basic, new_client()))
    if settings.jambonz_api_url and settings.jambonz_api_key.get_secret_value():
        url = guard.check_url("jambonz_api_url", settings.jambonz_api_url)
        made.append(JambonzControl(url, settings.jambonz_account_sid, settings.jambonz_api_key, new_client(), links))
    return made
