from dataclasses import asdict

from adapters.accounts.offer import Offer


def test_what_the_vendor_does_not_say_is_empty() -> None:
    assert asdict(Offer("alloy")) == {"id": "alloy", "name": "", "languages": (), "gender": ""}
