"""Who stands in a seat, and whose service it is."""

import dataclasses

import pytest
from pipecat.frames.frames import DataFrame

from pipelines.conversation.types import VoiceServices
from pipelines.failover.failover import Failover
from pipelines.failover.failures import Seat
from tests.pipelines.puppets import Puppet, Puppets

pytestmark = pytest.mark.virtual_time


def puppet() -> Puppet:
    return Puppet((DataFrame,))


async def test_a_single_vendor_has_the_name_that_it_was_given() -> None:
    services = VoiceServices(puppet(), puppet(), puppet(), providers={Seat.STT: "one"})  # type: ignore[arg-type]
    assert services.of(Seat.STT) is services.stt
    assert services.of(Seat.LLM) is services.llm
    assert services.of(Seat.TTS) is services.tts
    assert services.provider(Seat.STT) == "one"
    assert services.provider(Seat.LLM) == ""


async def test_of_several_vendors_the_one_in_the_seat_counts() -> None:
    puppets = Puppets(puppet)
    seat = Failover(Seat.STT, puppets.candidates)
    services = VoiceServices(seat, puppet(), puppet(), providers={Seat.STT: "one"})  # type: ignore[arg-type]
    assert services.provider(Seat.STT) == "a"
    await puppets.first.cleanup()  # type: ignore[no-untyped-call]
    await seat.cleanup()


async def test_services_are_not_changed() -> None:
    services = VoiceServices(puppet(), puppet(), puppet())  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        services.voice_identity = "other"  # type: ignore[misc]
