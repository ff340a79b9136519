"""Dialogflow agents: ``Agents.GetAgent`` of CX, or of ES where the options name no agent.

https://cloud.google.com/dialogflow/cx/docs/reference/rpc/google.cloud.dialogflow.cx.v3
https://cloud.google.com/dialogflow/es/docs/reference/rpc/google.cloud.dialogflow.v2
"""

from __future__ import annotations

from collections.abc import Mapping

from google.api_core.gapic_v1 import routing_header
from google.cloud.dialogflow_v2 import GetAgentRequest as EsRequest
from google.cloud.dialogflowcx_v3 import GetAgentRequest as CxRequest
from pipecat.utils.errors import ErrorCategory

from adapters.clients import SharedClients
from adapters.google_cloud import google_api
from adapters.llm.dialogflow_session import AUDIENCE, agent_name, regional
from adapters.requests import Credentials
from adapters.vendor_errors import classify


async def check(credentials: Credentials, options: Mapping[str, str], clients: SharedClients) -> None:
    """Ask whether the key is accepted, and whether there is the agent.

    Args:
        credentials: Key and endpoint.
        options: The row's options.
        clients: The process's shared clients.

    Raises:
        Exception: The key is refused, there is no such agent, or the vendor cannot be asked; of gRPC's own kinds, or a
            `ValueError` for a key that cannot be read.
    """
    es = not options.get("agent")
    name = agent_name(options, credentials.key, es=es)
    if es:
        field, name = "parent", name.removesuffix("/agent")
        path, message = "/google.cloud.dialogflow.v2.Agents/GetAgent", EsRequest.serialize(EsRequest(parent=name))
    else:
        field = "name"
        path, message = "/google.cloud.dialogflow.cx.v3.Agents/GetAgent", CxRequest.serialize(CxRequest(name=name))
    metadata = routing_header.to_grpc_metadata(((field, name),))  # type: ignore[no-untyped-call]
    call = google_api(regional(credentials, options), AUDIENCE, clients).call(path, [message], [metadata])
    try:
        async for _ in call.responses(clients.limits.quiet_s):
            pass
    except Exception as error:
        # A key that is restricted to conversations is good, though it may not look at agents: its token was accepted.
        if classify(error) is not ErrorCategory.AUTHORIZATION:
            raise
    finally:
        call.close()
