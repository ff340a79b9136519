import subprocess
import sys

import httpx

from adapters.plain_http import PLAIN_HTTP
from tests.adapters.vendors import impatient_clients


async def test_the_pool_is_httpx_with_the_limits_of_the_process() -> None:
    async with impatient_clients() as clients:
        pool = clients.http(PLAIN_HTTP)
        assert isinstance(pool, httpx.AsyncClient)
        assert pool.timeout.connect == clients.limits.connect_s


def test_who_asks_no_vendor_by_it_does_not_import_it() -> None:
    code = "import sys, adapters.clients; print('httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
