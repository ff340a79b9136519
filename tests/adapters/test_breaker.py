import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from pipecat.utils.errors import ErrorCategory
from pydantic import SecretStr

from adapters.breaker import TRANSITIONS, BreakerSettings, Circuit, Circuits, CircuitState
from adapters.requests import Credentials
from adapters.vendor_errors import STALLED

SETTINGS = BreakerSettings(failures=3, within_s=60, open_s=10, longest_open_s=40, refused_open_s=50, probe_s=30)
OUTAGES = ["connectivity", "server", "rate_limit", STALLED]
REFUSALS = ["authentication", "quota"]
OTHERS = ["invalid_request", "authorization", "unknown", "application"]


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def made() -> tuple[Circuit, Clock]:
    clock = Clock()
    return Circuit("llm", "openai", SETTINGS, clock), clock


def opened() -> tuple[Circuit, Clock]:
    circuit, clock = made()
    for _ in range(SETTINGS.failures):
        circuit.failed("server")
    return circuit, clock


def test_every_category_is_known() -> None:
    assert {category.value for category in ErrorCategory} | {STALLED} == {*OUTAGES, *REFUSALS, *OTHERS}


@pytest.mark.parametrize("category", OUTAGES)
def test_it_opens_after_failures_in_a_row(category: str) -> None:
    circuit, _ = made()
    for _ in range(SETTINGS.failures - 1):
        circuit.failed(category)
        assert circuit.admit()
    circuit.failed(category)
    assert circuit.state is CircuitState.OPEN
    assert not circuit.admit()
    assert circuit.opened == 1


def test_failures_long_ago_do_not_count() -> None:
    circuit, clock = made()
    for _ in range(10):
        circuit.failed("server")
        clock.now_s += SETTINGS.within_s / 2 + 1
    assert circuit.state is CircuitState.CLOSED


def test_a_success_between_failures_starts_the_count_anew() -> None:
    circuit, _ = made()
    for _ in range(10):
        circuit.failed("server")
        circuit.failed("server")
        assert not circuit.spotless
        circuit.succeeded()
        assert circuit.spotless
    assert circuit.state is CircuitState.CLOSED


@pytest.mark.parametrize("category", REFUSALS)
def test_a_refused_account_opens_it_at_once(category: str) -> None:
    circuit, clock = made()
    circuit.failed(category)
    assert not circuit.admit()
    clock.now_s += SETTINGS.refused_open_s - 1
    assert not circuit.admit()
    clock.now_s += 1
    assert circuit.admit()


@pytest.mark.parametrize("category", OTHERS)
def test_what_concerns_one_ai_does_not_count(category: str) -> None:
    circuit, _ = made()
    for _ in range(10):
        circuit.failed(category)
    assert circuit.spotless


def test_one_call_at_a_time_tries_again() -> None:
    circuit, clock = opened()
    clock.now_s += SETTINGS.open_s
    assert circuit.admit()
    assert [circuit.state, circuit.admit()] == [CircuitState.HALF_OPEN, False]
    circuit.succeeded()
    assert [circuit.state] == [CircuitState.CLOSED]
    assert circuit.admit()


def test_a_probe_that_comes_to_nothing_is_followed_by_another() -> None:
    circuit, clock = opened()
    clock.now_s += SETTINGS.open_s
    assert circuit.admit()
    clock.now_s += SETTINGS.probe_s
    assert circuit.admit()
    assert not circuit.admit()


def test_each_failed_probe_doubles_the_wait_up_to_a_limit() -> None:
    circuit, clock = opened()
    wait_s = SETTINGS.open_s
    for _ in range(5):
        clock.now_s += wait_s - 0.5
        assert not circuit.admit()
        clock.now_s += 0.5
        assert circuit.admit()
        circuit.failed("server")
        wait_s = min(2 * wait_s, SETTINGS.longest_open_s)
    clock.now_s += wait_s
    assert circuit.admit()
    circuit.succeeded()
    for _ in range(SETTINGS.failures):
        circuit.failed("server")
    clock.now_s += SETTINGS.open_s
    assert circuit.admit()


def test_a_call_without_a_choice_may_close_it() -> None:
    circuit, _ = opened()
    circuit.succeeded()
    assert circuit.admit()


def credentials(key: str = "k", url: str = "https://a", identity: str = "") -> Credentials:
    return Credentials(SecretStr(key), url, identity)


def test_an_account_has_one_circuit_in_a_seat() -> None:
    circuits = Circuits(Clock())
    circuit = circuits.of("tts", "aws", credentials())
    assert circuits.of("tts", "aws", credentials()) is circuit
    others = [
        circuits.of("llm", "aws", credentials()),
        circuits.of("tts", "azure", credentials()),
        circuits.of("tts", "aws", credentials(key="l")),
        circuits.of("tts", "aws", credentials(url="https://b")),
        circuits.of("tts", "aws", credentials(identity="i")),
    ]
    assert len({id(it) for it in [circuit, *others]}) == 6
    assert len(list(circuits)) == 6


def test_the_health_of_a_vendor_is_that_of_its_worst_account() -> None:
    clock = Clock()
    circuits = Circuits(clock, SETTINGS)
    assert circuits.health("tts", "aws") is None
    circuits.of("tts", "aws", credentials()).succeeded()
    assert circuits.health("tts", "aws") is CircuitState.CLOSED
    refused = circuits.of("tts", "aws", credentials(key="wrong"))
    refused.failed("authentication")
    assert circuits.health("tts", "aws") is CircuitState.OPEN
    clock.now_s += SETTINGS.refused_open_s
    assert refused.admit()
    assert circuits.health("tts", "aws") is CircuitState.HALF_OPEN
    assert circuits.health("llm", "aws") is None


def test_not_every_account_is_remembered_for_ever() -> None:
    circuits = Circuits(Clock())
    used = circuits.of("llm", "openai", credentials(key="used"))
    for number in range(1500):
        circuits.of("llm", "openai", credentials(key=str(number)))
        assert circuits.of("llm", "openai", credentials(key="used")) is used
    assert len(list(circuits)) == 1000


class CircuitMachine(RuleBasedStateMachine):
    """Whatever calls do with a circuit, in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.circuit, self.clock = made()
        self.before = self.circuit.state
        self.in_a_row: list[float] = []
        self.probe_s = float("-inf")
        self.opened_s = float("-inf")

    @rule(seconds=st.floats(0, 100))
    def wait(self, seconds: float) -> None:
        self.clock.now_s += seconds

    @rule()
    def ask(self) -> None:
        state = self.circuit.state
        admitted = self.circuit.admit()
        if state is CircuitState.CLOSED:
            assert admitted
            return
        if admitted:
            assert self.clock.now_s - self.probe_s >= SETTINGS.probe_s or state is CircuitState.OPEN
            if state is CircuitState.OPEN:
                assert self.clock.now_s - self.opened_s >= SETTINGS.open_s - 1e-6
            self.probe_s = self.clock.now_s
        assert self.circuit.state in (CircuitState.OPEN, CircuitState.HALF_OPEN)

    @rule()
    def succeed(self) -> None:
        self.circuit.succeeded()
        self.in_a_row.clear()
        assert self.circuit.spotless

    @rule(category=st.sampled_from(OUTAGES))
    def fail(self, category: str) -> None:
        state = self.circuit.state
        self.in_a_row.append(self.clock.now_s)
        self.circuit.failed(category)
        last = self.in_a_row[-SETTINGS.failures :]
        outage = len(last) == SETTINGS.failures and last[-1] - last[0] <= SETTINGS.within_s
        if state is CircuitState.CLOSED:
            assert (self.circuit.state is CircuitState.OPEN) == outage
        else:
            assert self.circuit.state is CircuitState.OPEN

    @rule(category=st.sampled_from(REFUSALS))
    def refuse(self, category: str) -> None:
        self.circuit.failed(category)
        assert self.circuit.state is CircuitState.OPEN

    @precondition(lambda self: self.circuit.state is CircuitState.CLOSED)
    @rule(category=st.sampled_from(OTHERS))
    def misuse(self, category: str) -> None:
        self.circuit.failed(category)
        assert self.circuit.state is CircuitState.CLOSED

    @invariant()
    def every_move_is_in_the_table(self) -> None:
        state = self.circuit.state
        if state is not self.before:
            assert state in TRANSITIONS[self.before] or state is CircuitState.OPEN
            if state is CircuitState.OPEN:
                self.opened_s = self.clock.now_s
            self.before = state


TestCircuitMachine = CircuitMachine.TestCase
