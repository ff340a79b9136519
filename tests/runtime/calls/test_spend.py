"""What a customer's limits do to its calls: real server, real phone, vendors on loopback."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID, uuid4

import pytest

from models.customer import Prices
from models.ids import DEFAULT_CUSTOMER_ID
from pipelines.meter import Meter
from runtime.calls.spend import set_limit
from tests.runtime.api.resources import tenant
from tests.runtime.calls.offices import GREETING, assert_ended, events_of, office, office_ai
from tests.runtime.calls.phones import dial, refused
from tests.runtime.serving import serving

BYE = "That was all. Goodbye."


async def test_a_call_that_costs_too_much_takes_its_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        office(tmp_path, monkeypatch, idle_timeout_s=5.0) as office_,
        tenant(office_.api, prices={"tts": 1000}) as owner,
    ):
        customer_id = (await owner.new_ai())["customer_id"]
        limits = {"name": "x", "prices": {"tts": 1000}, "max_spend": len(GREETING)}
        await office_.api.ok("PUT", f"/v1.0/customers/{customer_id}", json=limits)
        ai = await owner.ok("POST", "/v1.0/ais", json=office_ai(parameter={"spent_goodbye": BYE}))
        aicall = await owner.new_aicall(ai)
        async with dial(aicall["media_url"]) as phone:
            await phone.start()
            await phone.stay_silent()
            await phone.closed()
        await assert_ended(owner, aicall, "max_spend")
        events = await events_of(owner, aicall)
        said = " ".join(it["data"]["content"] for it in events if it["type"] == "aimessage_created")
        assert said.split(BYE)[0].strip() == GREETING
        assert BYE in said
        (usage,) = (it["data"] for it in events if it["type"] == "aicall_usage")
        # Within the spaces around sentences.
        assert usage["tts_characters"] == pytest.approx(len(GREETING + BYE), abs=4)
        assert usage["cost"] == usage["tts_characters"]


async def test_a_phone_system_is_refused_where_the_customer_has_its_calls(tmp_path: Path) -> None:
    async with serving(tmp_path) as api, tenant(api, max_calls=1) as owner:
        ai = await owner.new_ai()
        url = (await owner.ok("POST", f"/v1.0/ais/{ai['id']}/media_token"))["media_url"]
        waiting = await owner.new_aicall(ai)
        status, problem = await refused(url)
        assert status == 429
        assert problem["detail"] == "this customer has as many calls as it may have"
        # The place is that of the AIcall that waits for its phone system.
        await owner.ok("POST", f"/v1.0/aicalls/{waiting['id']}/terminate")
        async with dial(url) as phone:
            assert (await refused(url))[0] == 429
            await phone.hang_up()


async def test_a_meter_has_its_customers_limits(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        prices = {"llm_input": 1.0, "llm_output": 2.0, "tts": 3.0, "stt": 4.0}
        customer = await api.ok("POST", "/v1.0/customers", json={"name": "x", "max_spend": 5, "prices": prices})
        meter = Meter()
        await set_limit(api.services, UUID(customer["id"]), meter)
        assert (meter.prices, meter.limit) == (Prices(**prices), 5)
        free = Meter()
        await set_limit(api.services, DEFAULT_CUSTOMER_ID, free)
        assert (free.prices, free.limit) == (Prices(), 0)


async def test_a_call_goes_on_where_the_store_does_not_tell(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        meter = Meter()
        await set_limit(api.services, uuid4(), meter)
        await api.services.store.close()
        await set_limit(api.services, DEFAULT_CUSTOMER_ID, meter)
        await api.services.store.open()
        assert meter.limit == 0
