import re

import pytest

from adapters.aws_options import ENGINE, POLLY_LANGUAGE_ALIASES, POLLY_LANGUAGES, REGION, TEXT_TYPE
from adapters.tts.table import TTS_TABLE


@pytest.mark.parametrize("region", ["us-east-1", "ap-southeast-2", "us-gov-west-1", "eu-central-1", "mx-central-1"])
def test_a_region_is_taken(region: str) -> None:
    assert re.fullmatch(REGION.pattern, region)


@pytest.mark.parametrize(
    "region", ["", "us-east", "evil.example/", "us-east-1.evil.example", "us-east-1@host", "US-EAST-1"]
)
def test_what_would_change_the_host_is_no_region(region: str) -> None:
    assert not re.fullmatch(REGION.pattern, region)


def test_a_default_has_its_own_form() -> None:
    for option in (REGION, ENGINE, TEXT_TYPE):
        assert re.fullmatch(option.pattern, option.default), option.name


def test_every_alias_is_a_language_of_pollys() -> None:
    assert set(POLLY_LANGUAGE_ALIASES.values()) <= set(POLLY_LANGUAGES)


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("en-US", "en-US"),
        ("en-gb", "en-GB"),
        ("en-CA", "en-US"),
        ("de", "de-DE"),
        ("zh-CN", "cmn-CN"),
        ("zh-HK", "yue-CN"),
        ("ar", "arb"),
        ("sw", None),
    ],
)
def test_a_language_has_pollys_code(tag: str, code: str | None) -> None:
    assert TTS_TABLE["aws"].language_code(tag) == code
