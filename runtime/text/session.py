"""One conversation or task, made ready for the model: restored from the store, with its tools."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema

from adapters.breaker import Circuit
from adapters.vendor_errors import failure
from models.ids import NIL_ID
from models.message import Message
from pipelines.context.keeper import ContextKeeper
from pipelines.context.restore import restore_context, restore_variables
from pipelines.context.summary import summarize
from pipelines.failover.failover import Failover, Switch
from pipelines.failover.failures import Seat
from pipelines.failover.news import FailoverNews
from pipelines.meter import Meter
from pipelines.text.agent import TextAgent
from pipelines.tools.toolset import Toolset
from pipelines.voice_services import ModelService, make_model
from runtime.knowledge import knowledge_of
from runtime.services import Services
from runtime.text.answering import Answering
from runtime.text.records import TextRecords
from runtime.text.tools import TextToolHost

_PAGE = 100
_STOP_S = 3.0
"""How long the pipeline may take to end, seconds."""


class TextSession:
    """The agent of one AIcall while there is something to do, and the budget of its context.

    Args:
        services: The process.
        answering: Who answers.
        records: Where to record what happens.
        meter: Counts what the model uses.
        history: All its messages, oldest first.
        waiting: Ids of those that wait for their turn.

    Attributes:
        agent: The model with its context.
        keeper: The context's budget.
        host: What the tools did.
        begun: The messages whose turn has begun already.
    """

    def __init__(
        self,
        services: Services,
        answering: Answering,
        records: TextRecords,
        meter: Meter,
        *,
        history: Sequence[Message],
        waiting: Collection[UUID],
    ) -> None:
        self._records = records
        aicall, ai = answering.aicall, answering.ai
        variables = {"aicall.id": str(aicall.id), **restore_variables(history)}
        self._model: ModelService = make_model(
            aicall,
            ai.secrets,
            init_prompt=ai.init_prompt,
            variables=variables,
            clients=services.clients,
            environ=services.environ,
            circuits=services.circuits,
        )
        self.host = TextToolHost(
            services, aicall, records, variables, knowledge_of(services.store, services.knowledge, ai)
        )
        # What tools were called with and what came of it is in the context, and recorded from there.
        self._tools = Toolset(ai, aicall.options, self.host, records.tool_called, more=answering.ways())
        self.begun = {message.in_reply_to_message_id for message in history} - {NIL_ID}
        self.agent = TextAgent(
            self._model.llm,
            restore_context(history, waiting=waiting),
            self._tools.schemas(),
            on_text=records.text,
            stall_s=services.settings.text_stall_s,
            meter=meter,
        )
        self.keeper = ContextKeeper(
            self.agent.context, aicall.options.context_tokens, self._summarize, records.summed_up
        )
        if isinstance(self._model.llm, Failover):
            self._model.llm.watch(FailoverNews(self._switched, self._failed_unnoticed))

    async def open(self) -> None:
        """Ask the AI's MCP servers for their tools. Bounded in time; does nothing where it has none."""
        await self._tools.open(self._offer)

    async def _offer(self, tools: Sequence[FunctionSchema]) -> None:
        self.agent.context.set_tools(ToolsSchema(standard_tools=list(tools)))

    def failed(self, category: str, *, fatal: bool) -> None:
        """Record that the model did not answer, and let the other calls know of it."""
        if self._model.circuit is not None:
            self._model.circuit.failed(category)
        self._records.provider_failed(failure(self._provider, Seat.LLM, category), fatal=fatal)

    def worked(self) -> None:
        """Let the other calls know that the model answered."""
        circuit: Circuit | None = self._model.circuit
        if circuit is not None:
            circuit.succeeded()

    async def close(self) -> None:
        """Release everything."""
        await self._tools.aclose()
        await self.keeper.aclose()
        await self.agent.stop(_STOP_S)

    @property
    def _provider(self) -> str:
        llm = self._model.llm
        return llm.provider if isinstance(llm, Failover) else self._model.provider

    async def _summarize(self, transcript: str, limit_tokens: int) -> str:
        return await summarize(self._model.llm, self._provider, transcript, limit_tokens)

    def _switched(self, switch: Switch) -> None:
        # What the failed one said of the answer is gone on with, under the same id.
        error = failure(switch.failed, switch.seat, switch.category)
        self._records.provider_switched(error, switch.successor, switch.took_ms)

    def _failed_unnoticed(self, seat: Seat, category: str) -> None:
        self._records.provider_failed(failure(self._provider, seat, category), fatal=False)


async def load_history(services: Services, aicall_id: UUID) -> list[Message]:
    """Return all messages of an AIcall, oldest first."""
    found: list[Message] = []
    token = ""
    while True:
        page = await services.store.list_messages(aicall_id, customer_id=None, page_size=_PAGE, page_token=token)
        found.extend(page.items)
        token = page.next_page_token
        if not token:
            return found[::-1]
