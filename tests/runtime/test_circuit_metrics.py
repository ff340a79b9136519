from pydantic import SecretStr

from adapters.breaker import Circuits
from adapters.requests import Credentials
from runtime.circuit_metrics import CircuitMetrics
from runtime.metrics import Metrics


def test_a_vendor_is_as_its_worst_account() -> None:
    circuits = Circuits(lambda: 0.0)
    metrics = Metrics()
    metrics.watch_engine(CircuitMetrics(circuits))
    for key in ("good", "bad", "worse"):
        circuit = circuits.of("tts", "elevenlabs", Credentials(SecretStr(key), "wss://host"))
        if key != "good":
            circuit.failed("authentication")
    circuits.of("llm", "openai", Credentials(SecretStr("good"), "https://host"))
    text = metrics.render().decode()
    assert 'aicall_provider_circuit{provider="elevenlabs",seat="tts"} 2.0' in text
    assert 'aicall_provider_circuit{provider="openai",seat="llm"} 0.0' in text
    assert 'aicall_provider_circuit_opened_total{provider="elevenlabs",seat="tts"} 2.0' in text
    assert "good" not in text
