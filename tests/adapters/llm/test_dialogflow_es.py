import pytest
from google.cloud.dialogflow_v2 import DetectIntentRequest, DetectIntentResponse, QueryResult

from adapters.llm.dialogflow_es import EsApi, shortened
from adapters.llm.dialogflow_session import AgentCall, AgentReply, Event, Keys, ToolDone, Words

AGENT = "projects/p/agent"


def api(environment=""):
    return EsApi(AGENT, environment, "s", "en")


def sent(said, parameters=None):
    request = DetectIntentRequest.deserialize(api().request(said, parameters or {}))
    return DetectIntentRequest.to_dict(request, always_print_fields_with_no_presence=False)


def read(**fields):
    return api().reply(DetectIntentResponse.serialize(DetectIntentResponse(query_result=QueryResult(**fields))))


def test_the_session_is_in_the_environment():
    assert api().session == "projects/p/agent/sessions/s"
    assert api("prod").session == "projects/p/agent/environments/prod/users/-/sessions/s"


def test_tells_each_kind_of_input():
    assert sent(Words("Hi.")) == {
        "session": "projects/p/agent/sessions/s",
        "query_input": {"text": {"text": "Hi.", "language_code": "en"}},
    }
    assert sent(Keys("12", "#"))["query_input"]["text"]["text"] == "12"
    assert sent(Keys("", "#"))["query_input"]["text"]["text"] == "#"
    assert sent(Event("WELCOME"))["query_input"]["event"] == {"name": "WELCOME", "language_code": "en"}
    with pytest.raises(TypeError):
        sent(ToolDone(AgentCall("t", "a", {}), None))


def test_the_call_is_a_context():
    (context,) = sent(Words("Hi."), {"call": {"from": "1"}})["query_params"]["contexts"]
    assert context["name"] == "projects/p/agent/sessions/s/contexts/aicall"
    assert context["lifespan_count"] > 0
    assert context["parameters"] == {"call": {"from": "1"}}


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("x" * 256, "x" * 256),
        ("x" * 300, "x" * 256),
        ("word " * 60 + "end", ("word " * 60 + "end")[-253:]),
        ("a " + "x" * 256, "x" * 256),
        ("", ""),
    ],
)
def test_of_a_long_text_the_end_is_told(text, short):
    assert shortened(text) == short
    assert len(short) <= 256


def test_reads_the_words_for_the_telephone():
    facebook = {"platform": "FACEBOOK", "text": {"text": ["Click."]}}
    messages = [{"text": {"text": ["Hello."]}}, facebook, {"text": {"text": [""]}}, {"text": {"text": ["Bye."]}}]
    assert read(fulfillment_messages=messages, fulfillment_text="Other.").texts == ("Hello.", "Bye.")
    assert read(fulfillment_messages=[facebook], fulfillment_text="Other.").texts == ("Other.",)
    assert read() == AgentReply()


def test_reads_what_the_agent_wants():
    assert read(intent={"end_interaction": True}).ends
    assert read(diagnostic_info={"end_conversation": True}).ends
    assert not read(diagnostic_info={"webhook_latency_ms": 5}).ends
    assert read(intent={"live_agent_handoff": True}).handoff == {}
    wanted = read(
        intent={"live_agent_handoff": True},
        fulfillment_messages=[{"payload": {"target": "200"}}],
        webhook_payload={"type": "extension"},
    )
    assert wanted.handoff == {"target": "200", "type": "extension"}
    assert read(fulfillment_messages=[{"payload": {"target": "200"}}]).handoff is None
