from pipelines.failover.failover import Switch
from pipelines.failover.failures import Seat
from pipelines.failover.news import FailoverNews


def test_news_are_handed_on() -> None:
    switches: list[Switch] = []
    failures: list[tuple[Seat, str]] = []
    news = FailoverNews(switches.append, lambda seat, category: failures.append((seat, category)))
    switch = Switch(Seat.LLM, "openai", "anthropic", "stalled", 1.0)
    news.switched(switch)
    news.failed(Seat.STT, "deepgram", "server")
    assert switches == [switch]
    assert failures == [(Seat.STT, "server")]
