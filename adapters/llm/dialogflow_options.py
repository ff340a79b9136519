"""What can be said to Dialogflow in ``parameter.llm_options``."""

from __future__ import annotations

from adapters.seats import ProviderOption

_ID = r"[\w.-]{0,100}"

DIALOGFLOW_OPTIONS = (
    ProviderOption(
        name="project",
        summary="Google Cloud project of the agent; the service account's own where it is not given",
        pattern=r"[a-z0-9:.-]{0,100}",
    ),
    ProviderOption(
        name="location",
        summary="Region of the agent, for example europe-west1",
        default="global",
        pattern=r"[a-z0-9-]{1,50}",
    ),
    ProviderOption(
        name="agent",
        summary="Id of the agent; Dialogflow ES has one for each project and location",
        needed_by=("cx",),
        pattern=_ID,
    ),
    ProviderOption(
        name="environment", summary="Environment of the agent; its draft where it is not given", pattern=_ID
    ),
    ProviderOption(
        name="language",
        summary="BCP 47 tag for the agent where neither the AI nor the AIcall names a language",
        default="en",
        pattern=r"[A-Za-z0-9-]{1,35}",
    ),
    ProviderOption(
        name="welcome_event",
        summary="Event that makes the agent speak first",
        default="WELCOME",
        pattern=r"[\w. -]{1,150}",
    ),
    ProviderOption(
        name="welcome_text",
        summary="Text that makes the agent speak first, instead of the event; agents of playbooks know no events",
    ),
    ProviderOption(
        name="handoff_target",
        summary="TYPE:TARGET of who takes over where the agent does not say, for example tel:+15551230001",
        pattern=r"([a-z]{1,20}:.{1,200})?",
    ),
)
"""The row's options."""
