"""The SQL store passes the customers' contract on every database."""

from tests.adapters.store.customers.contract import ApiKeyContract, CallLimitContract, CustomerContract


class TestCustomers(CustomerContract): ...


class TestApiKeys(ApiKeyContract): ...


class TestCallLimits(CallLimitContract): ...
