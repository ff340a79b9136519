from models.ids import DEFAULT_CUSTOMER_ID, NIL_ID
from tests.models.seeds import NIL_ID as SEED_NIL_ID


def test_none_is_written_as_the_seeds_write_it() -> None:
    assert str(NIL_ID) == SEED_NIL_ID


def test_the_default_customer_is_somebody() -> None:
    assert DEFAULT_CUSTOMER_ID != NIL_ID
