"""Fixtures of the store's tests."""

import pytest

pytest.register_assert_rewrite("tests.adapters.store.contract")
