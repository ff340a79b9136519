import nats
import nats.errors

from tests.support.nats_server import NatsServer


async def test_streams_outlive_a_restart_on_the_same_port(nats_server: NatsServer) -> None:
    client = await nats.connect(nats_server.url)
    await client.jetstream().add_stream(name="calls", subjects=["calls.>"])
    ack = await client.jetstream().publish("calls.one", b"hello")
    assert ack.seq == 1
    await client.close()
    nats_server.stop()
    nats_server.start()
    client = await nats.connect(nats_server.url)
    assert (await client.jetstream().publish("calls.two", b"hello again")).seq == 2
    await client.close()


async def test_every_test_has_an_empty_server(nats_server: NatsServer) -> None:
    client = await nats.connect(nats_server.url)
    assert await client.jetstream().streams_info() == []
    await client.close()
