"""The SQL store passes the customers' contract on every database."""

from tests.adapters.store.customers.contract import ApiKeyContract, CallLimitContract, CustomerContract, UsageContract


class TestCustomers(CustomerContract): ...


class TestApiKeys(ApiKeyContract): ...


class TestCallLimits(CallLimitContract): ...


class TestUsage(UsageContract): ...
