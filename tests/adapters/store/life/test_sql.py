"""The contract about owners, leases and requests, on every database."""

from tests.adapters.store.life.contract import LeaseContract, ReattachContract, RequestContract, TenureContract


class TestTenures(TenureContract):
    pass


class TestReattaching(ReattachContract):
    pass


class TestLeases(LeaseContract):
    pass


class TestRequests(RequestContract):
    pass
