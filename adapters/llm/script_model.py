"""A script: the whole of a small dialogue, as read from YAML. ``docs/scripts.md`` is its manual."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from adapters.llm.script_pattern import Pattern

START = "start"
"""The state in which every call begins."""

STOP_TOOL = "stop_service"
"""The tool function that ends the call."""

_SLOT = re.compile(r"\{([^{}]*)\}")


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[list[Text], BeforeValidator(_as_list), Field(min_length=1)]
"""One text, or several that are used in turn."""

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Call(_Strict):
    """A tool function to call.

    Attributes:
        tool: Its name. It is only called when the AI offers it.
        arguments: Its arguments; texts in it may hold ``{slot}``.
    """

    tool: Text
    arguments: dict[str, Any] = Field(default_factory=dict)


class Then(_Strict):
    """What to say when a tool function has answered.

    Attributes:
        say: When it succeeded; may hold ``{result.field}``.
        else_say: When it failed.
    """

    say: Texts
    else_say: Texts | None = None


class Rule(_Strict):
    """What to do when the caller says or keys something.

    Attributes:
        when: Patterns of speech (`Pattern`).
        dtmf: Regular expression of a whole keypad entry, without its closing ``#``.
        states: States in which the rule counts (key ``in``); empty for all.
        say: What to say.
        call: Tool function to call, in the same answer.
        else_say: What to say instead when the AI does not offer that tool function.
        then: What to say to the tool function's result.
        goto: State after this rule.
        hangup: Whether to end the call once `say` was played.
    """

    when: Annotated[list[Text], BeforeValidator(_as_list)] = Field(default_factory=list)
    dtmf: str | None = None
    states: Annotated[list[Name], BeforeValidator(_as_list)] = Field(default_factory=list, alias="in")
    say: Texts | None = None
    call: Call | None = None
    else_say: Texts | None = None
    then: Then | None = None
    goto: Name | None = None
    hangup: bool = False

    @model_validator(mode="after")
    def _makes_sense(self) -> Rule:
        if not self.when and self.dtmf is None:
            raise ValueError("a rule needs 'when' or 'dtmf'")
        if self.say is None and self.call is None:
            raise ValueError("a rule needs 'say' or 'call'")
        if self.call is None and (self.then or self.else_say):
            raise ValueError("'then' and 'else_say' belong to a 'call'")
        if self.hangup and (self.call or self.say is None):
            raise ValueError("'hangup' needs 'say' and excludes 'call'")
        if self.dtmf is not None:
            try:
                re.compile(self.dtmf)
            except re.error:
                raise ValueError("'dtmf' is not a valid regular expression") from None
        return self

    @property
    def action(self) -> Call | None:
        """The tool function to call, that of `hangup` included."""
        return Call(tool=STOP_TOOL) if self.hangup else self.call


class Script(_Strict):
    """A dialogue.

    Attributes:
        description: What it is, for people.
        greeting: First words, when the AI has no fixed greeting.
        no_match: Said to what no rule fits.
        not_understood: Said when speech was heard but not understood.
        idle: Said to a silent caller.
        cannot: Said when a rule needs a tool function that the AI does not offer, and has no ``else_say``.
        slots: Values of each slot; ``any`` for any words.
        rules: The rules; of several that fit, the first one counts.
    """

    description: str = ""
    greeting: Texts = ["Hello. How can I help you?"]
    no_match: Texts = ["I am sorry, I cannot help with that."]
    not_understood: Texts = ["Sorry, I did not understand. Could you say that again?"]
    idle: Texts = ["Are you still there?"]
    cannot: Texts = ["I am sorry, I cannot do that."]
    slots: dict[Name, Annotated[list[Text], BeforeValidator(lambda value: [] if value == "any" else value)]] = Field(
        default_factory=dict
    )
    rules: list[Rule] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_closed(self) -> Script:
        reachable = {START} | {rule.goto for rule in self.rules}
        for number, rule in enumerate(self.rules):
            for source in rule.when:
                try:
                    Pattern(source, self.slots)
                except ValueError as error:
                    raise ValueError(f"rules.{number}.when: {source!r} {error}") from None
            for state in rule.states:
                if state not in reachable:
                    raise ValueError(f"rules.{number}.in: no rule goes to {state!r}")
        return self

    @cached_property
    def patterns(self) -> tuple[tuple[Rule, tuple[Pattern, ...]], ...]:
        """Every rule with its patterns, ready to match."""
        return tuple((rule, tuple(Pattern(source, self.slots) for source in rule.when)) for rule in self.rules)

    def phrases(self) -> tuple[str, ...]:
        """Return every phrase that a caller may say, in the order of the rules, without repeats: lower-case words.

        Patterns with a free slot and regular expressions are not in it, since they cannot be written out.
        """
        return tuple(
            dict.fromkeys(phrase for _, patterns in self.patterns for pattern in patterns for phrase in pattern.phrases)
        )


def fill(template: str, values: dict[str, str]) -> str:
    """Put values into ``{name}``; ``{name|spell}`` puts blanks between the characters, so that digits are read out.

    Unknown names become empty.
    """

    def value(found: re.Match[str]) -> str:
        name, _, how = found.group(1).partition("|")
        text = values.get(name.strip(), "")
        return " ".join(text) if how.strip() == "spell" else text

    return _SLOT.sub(value, template)
