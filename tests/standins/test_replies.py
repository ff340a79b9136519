"""Scripts of the language models."""

from hypothesis import given
from hypothesis import strategies as st

from tests.standins.replies import GREETING, ChatMessage, ChatRequest, Reply, Script, echo, text_of


def request(*messages):
    return ChatRequest("m", tuple(ChatMessage(role, text) for role, text in messages), (), {})


@given(st.text().filter(str.strip))
def test_tokens_join_to_the_text(text):
    assert "".join(Reply(text).tokens) == text


def test_chunks_by_hand_win_over_the_text():
    reply = Reply("ignored", chunks=["He", "llo"])
    assert (list(reply.tokens), reply.full_text) == (["He", "llo"], "Hello")
    assert Reply("").tokens == []


def test_the_echo_depends_on_what_was_said_last():
    assert echo(request(("system", "Be brief."))).text == GREETING
    assert echo(request(("user", "Hi."), ("assistant", "Hello."), ("user", "Bye!"))).text == "You said: Bye."
    assert echo(request(("user", "Hi."), ("tool", "42"))).text == "The tool answered 42."


async def test_a_script_is_a_list_continued_by_the_echo_or_a_function_of_either_kind():
    listed = Script(["one", Reply("two")])
    said = [(await listed.reply(request(("user", "Hi.")))).text for _ in range(3)]
    assert said == ["one", "two", "You said: Hi."]

    async def later(asked):
        return f"{asked.last_user_text} later"

    assert (await Script(later).reply(request(("user", "Hi")))).text == "Hi later"
    assert (await Script(lambda _asked: Reply("now")).reply(request())).text == "now"


def test_text_is_found_in_strings_and_parts():
    parts = [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}]
    assert [text_of(it) for it in ("a", parts, None)] == ["a", "a b", ""]
