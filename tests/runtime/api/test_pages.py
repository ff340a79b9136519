from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.runtime.serving import Api

ONE_SERVER = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@ONE_SERVER
@given(size=st.one_of(st.integers(-3, 105), st.integers(), st.text(max_size=5), st.floats()))
async def test_a_page_size_is_1_to_100(api: Api, size: object) -> None:
    params = {"page_size": str(size)}
    if isinstance(size, int) and 1 <= size <= 100:
        assert (await api.ok("GET", "/v1.0/ais", params=params))["result"] == []
        return
    response = await api.http.get("/v1.0/ais", params=params)
    if response.status_code == 422:
        assert [error["field"] for error in response.json()["errors"]] == ["page_size"]
    else:
        # Python reads more spellings of a small integer than ours: " 7", "1e1" no, "٣" yes, "2.0" yes.
        assert 1 <= float(str(size)) <= 100


@ONE_SERVER
@given(token=st.one_of(st.text(min_size=1, max_size=40), st.integers().map(str), st.binary(min_size=1).map(bytes.hex)))
async def test_a_token_that_is_none_of_ours_is_refused(api: Api, token: str) -> None:
    for path in ("/v1.0/ais", "/v1.0/aicalls"):
        assert await api.wrong_field("GET", path, params={"page_token": token}) == "page_token"


async def test_a_token_of_absurd_length_is_refused(api: Api) -> None:
    assert await api.wrong_field("GET", "/v1.0/ais", params={"page_token": "x" * 513}) == "page_token"
