from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipelines.context.tokens import MESSAGE_TOKENS, context_tokens, message_tokens, text_tokens
from tests.pipelines.context.talk import Talk, call, entry, result, talks


def test_english_is_estimated_a_little_high() -> None:
    # 11 tokens by OpenAI's o200k_base.
    assert 11 <= text_tokens("The quick brown fox jumps over the lazy dog.") <= 15


def test_chinese_takes_about_a_token_for_each_character() -> None:
    assert 7 <= text_tokens("你好请问几点开门") <= 12


def test_calls_and_results_count() -> None:
    assert message_tokens(entry("user", "")) == MESSAGE_TOKENS
    assert message_tokens(call("c1")) > MESSAGE_TOKENS + 10
    assert message_tokens(result("c1", "x" * 350)) >= MESSAGE_TOKENS + 100


@given(talks(), talks())
def test_a_context_is_the_sum_of_its_parts(one: Talk, other: Talk) -> None:
    assert context_tokens([*one, *other]) == context_tokens(one) + context_tokens(other)


@given(st.text())
def test_any_text_can_be_counted(text: str) -> None:
    assert text_tokens(text) >= len(text) / 4
