"""The OpenAI stand-in under OpenAI's own SDK, under Pipecat's services, and under every fault."""

import asyncio

import openai
import pytest
from openai import AsyncOpenAI
from pipecat.frames.frames import (
    ErrorFrame,
    FunctionCallsStartedFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStoppedFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.openai.tts import OpenAITTSService

from tests.standins.audio import identify, signature
from tests.standins.base import DEFAULT_KEY
from tests.standins.faults import Faults
from tests.standins.openai import SPEECH_RATE_HZ, OpenAIStandIn
from tests.standins.pipeline import piped
from tests.standins.replies import GREETING, Reply

USER = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What time is it?"}]
TOOL = {"type": "function", "function": {"name": "stop_service", "parameters": {"type": "object", "properties": {}}}}


def client(stand_in, key=DEFAULT_KEY, **options):
    return AsyncOpenAI(api_key=key, base_url=stand_in.base_url, max_retries=0, timeout=5, **options)


async def stream_text(api, messages=USER, **more):
    stream = await api.chat.completions.create(model="gpt-4.1", messages=messages, stream=True, **more)
    return [chunk async for chunk in stream]


async def test_sdk_streams_the_default_echo_with_usage():
    async with OpenAIStandIn() as s, client(s) as api:
        chunks = await stream_text(api, stream_options={"include_usage": True})
        deltas = [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]
        assert "".join(deltas) == "You said: What time is it."
        assert len(deltas) > 3
        assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
        assert chunks[-1].choices == []
        assert chunks[-1].usage.total_tokens == chunks[-1].usage.prompt_tokens + chunks[-1].usage.completion_tokens > 0
        assert s.requests[0].headers["authorization"] == f"Bearer {DEFAULT_KEY}"
        assert s.requests[0].body["messages"] == USER
        assert "Bearer" not in repr(s.requests[0])
        await api.close()
        await s.all_closed()
        assert s.open_connections == s.open_streams == 0


async def test_the_stream_is_server_sent_events_up_to_done():
    async with OpenAIStandIn(reply=["Hi."]) as s, client(s) as api:
        create = api.chat.completions.with_streaming_response.create
        async with create(model="gpt-4.1", messages=USER, stream=True) as response:
            assert response.headers["content-type"] == "text/event-stream"
            events = (await response.text()).split("\n\n")
        assert all(event.startswith('data: {"id": "chatcmpl-1"') for event in events[:-2])
        assert events[-2:] == ["data: [DONE]", ""]


async def test_sdk_gets_whole_replies_and_tool_calls():
    script = [Reply("One moment.", tool_calls=[("stop_service", {}), ("set_variables", {"a": "ü" * 30})]), "Bye."]
    async with OpenAIStandIn(reply=script) as s, client(s) as api:
        whole = await api.chat.completions.create(model="gpt-4.1", messages=USER, tools=[TOOL])
        assert whole.choices[0].finish_reason == "tool_calls"
        calls = whole.choices[0].message.tool_calls
        assert [c.function.name for c in calls] == ["stop_service", "set_variables"]
        answered = [*USER, whole.choices[0].message.model_dump(exclude_none=True)]
        for unanswered in (answered, [*answered, {"role": "assistant", "content": "x"}]):
            with pytest.raises(openai.BadRequestError, match="must be followed by tool messages"):
                await api.chat.completions.create(model="gpt-4.1", messages=unanswered)
        answered += [{"role": "tool", "tool_call_id": c.id, "content": "ok"} for c in calls]
        assert (await api.chat.completions.create(model="gpt-4.1", messages=answered)).choices[
            0
        ].message.content == "Bye."
        again = await api.chat.completions.create(model="gpt-4.1", messages=answered)
        assert again.choices[0].message.content == "The tool answered ok."


async def test_sdk_assembles_streamed_tool_calls():
    async def reply(request):
        assert request.tools == ("stop_service",)
        assert request.last_user_text == "What time is it?"
        return Reply(tool_calls=[("stop_service", {"reason": "the caller said goodbye"})])

    async with OpenAIStandIn(reply=reply) as s, client(s) as api:
        async with api.chat.completions.stream(model="gpt-4.1", messages=USER, tools=[TOOL]) as stream:
            final = await stream.get_final_completion()
        call = final.choices[0].message.tool_calls[0]
        assert call.function.name == "stop_service"
        assert call.function.arguments == '{"reason": "the caller said goodbye"}'


async def test_sdk_lists_models_and_checks_keys():
    async with OpenAIStandIn(any_model=False) as s, client(s) as api:
        assert "gpt-4.1" in [m.id async for m in api.models.list()]
        assert (await api.models.retrieve("gpt-4o")).id == "gpt-4o"
        with pytest.raises(openai.NotFoundError) as missing:
            await api.models.retrieve("gpt-none")
        assert missing.value.code == "model_not_found"
        async with client(s, key="wrong") as stranger:
            with pytest.raises(openai.AuthenticationError) as refused:
                await stranger.models.list()
        assert refused.value.code == "invalid_api_key"
        assert "wrong" not in str(refused.value)


async def test_sdk_streams_speech():
    async with OpenAIStandIn() as s, client(s) as api:
        speech = await api.audio.speech.create(
            model="tts-1", voice="alloy", input="Hello there.", response_format="pcm"
        )
        assert speech.content == signature("Hello there.", SPEECH_RATE_HZ)
        wav = await api.audio.speech.create(model="tts-1", voice="alloy", input="Hi.", response_format="wav")
        assert wav.content[:4] == b"RIFF"
        assert wav.content[44:] == signature("Hi.", SPEECH_RATE_HZ)
        with pytest.raises(openai.BadRequestError):
            await api.audio.speech.create(model="tts-1", voice="alloy", input="", response_format="pcm")


async def test_pipecat_speaks_with_it():
    async with OpenAIStandIn(reply=["It is nine."]) as s:
        service = OpenAILLMService(api_key=DEFAULT_KEY, base_url=s.base_url)
        async with piped(service) as pipe:
            await pipe.send(LLMContextFrame(LLMContext(messages=USER[1:])))
            await pipe.down.wait(LLMFullResponseEndFrame)
            assert "".join(f.text for f in pipe.down.of(LLMTextFrame)) == "It is nine."
            await pipe.send(LLMContextFrame(LLMContext(messages=[{"role": "developer", "content": "Greet."}])))
            await pipe.down.wait(LLMFullResponseEndFrame, 2)
        assert "".join(f.text for f in pipe.down.of(LLMTextFrame)) == "It is nine." + GREETING
        await service._client.close()


async def test_pipecat_calls_a_tool():
    called = asyncio.get_running_loop().create_future()

    async def stop_service(params):
        called.set_result(dict(params.arguments))
        await params.result_callback({"result": "ok"})

    async with OpenAIStandIn(reply=[Reply(tool_calls=[("stop_service", {"why": "done"})])]) as s:
        service = OpenAILLMService(api_key=DEFAULT_KEY, base_url=s.base_url)
        service.register_function("stop_service", stop_service)
        async with piped(service) as pipe:
            await pipe.send(LLMContextFrame(LLMContext(messages=USER[1:])))
            await pipe.down.wait(FunctionCallsStartedFrame)
            assert await asyncio.wait_for(called, 5) == {"why": "done"}
        await service._client.close()


async def test_pipecat_speaks_through_it():
    async with OpenAIStandIn() as s:
        service = OpenAITTSService(api_key=DEFAULT_KEY, base_url=s.base_url, sample_rate=SPEECH_RATE_HZ)
        async with piped(service, SPEECH_RATE_HZ) as pipe:
            await pipe.send(TTSSpeakFrame("Hello there."))
            await pipe.down.wait(TTSStoppedFrame)
            heard = b"".join(f.audio for f in pipe.down.of(TTSAudioRawFrame))
        assert identify(heard, SPEECH_RATE_HZ, ["Hello there.", "Goodbye."]) == "Hello there."
        await service._client.close()


async def test_pipecat_reports_a_refused_key():
    async with OpenAIStandIn() as s:
        service = OpenAILLMService(api_key="wrong", base_url=s.base_url)
        async with piped(service) as pipe:
            await pipe.send(LLMContextFrame(LLMContext(messages=USER[1:])))
            assert (await pipe.up.wait(ErrorFrame))[0].exception.status_code == 401
        await service._client.close()


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, openai.AuthenticationError), (429, openai.RateLimitError), (500, openai.InternalServerError)],
)
async def test_status_faults(status, kind):
    async with OpenAIStandIn(faults=Faults(status=status, retry_after_s=7)) as s, client(s) as api:
        with pytest.raises(kind) as refused:
            await stream_text(api)
        assert refused.value.response.headers["retry-after"] == "7"
        s.faults = Faults()
        assert await stream_text(api)


async def test_drop_stall_garbage_delay_and_refusal():
    async with OpenAIStandIn(reply=lambda _r: "one two three four five") as s, client(s) as api:
        s.faults.drop_after = 3
        with pytest.raises(openai.APIConnectionError):
            await stream_text(api)

        s.faults = Faults(garbage_after=2)
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            await stream_text(api)

        s.faults = Faults(stall_after=3)
        stalled = aiter(await api.chat.completions.create(model="m", messages=USER, stream=True))
        assert [(await anext(stalled)).choices[0].delta.content for _ in range(3)] == ["", "one", " two"]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(stalled), 0.2)

        s.faults = Faults(delay_s=30)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stream_text(api), 0.2)

        s.faults = Faults()
        await s.refuse()
        async with client(s) as newcomer:
            with pytest.raises(openai.APIConnectionError):
                await newcomer.models.list()
            await s.accept()
            assert await newcomer.models.list()


async def test_an_endpoint_can_fail_alone():
    async with OpenAIStandIn(endpoint_faults={"speech": Faults(status=500)}) as s, client(s) as api:
        assert await stream_text(api)
        with pytest.raises(openai.InternalServerError):
            await api.audio.speech.create(model="tts-1", voice="alloy", input="Hi.", response_format="pcm")
        assert [r.endpoint for r in s.requests] == ["chat", "speech"]


async def test_a_client_that_leaves_frees_the_stream():
    async with OpenAIStandIn(faults=Faults(stall_after=1)) as s:
        async with client(s) as api:
            stream = await api.chat.completions.create(model="m", messages=USER, stream=True)
            assert s.open_streams == 1
            await stream.close()
        await s.all_closed()
        assert s.open_streams == 0
