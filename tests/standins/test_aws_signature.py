"""The signature check, by Amazon's published example and by every part that is wrong."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.standins.aws_signature import (
    Received,
    Scope,
    access_key_of,
    canonical_request,
    check_signature,
    signature_of,
)
from tests.standins.base import HttpError

ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SCOPE = Scope("us-east-1", "polly")


def signed(
    url="http://127.0.0.1:1/v1/speech?a=1&b=%2F", body=b'{"Text": "Hi."}', scope=SCOPE, token=None, secret=SECRET
):
    request = AWSRequest(method="POST", url=url, data=body, headers={"Host": "127.0.0.1:1"})
    SigV4Auth(Credentials(ID, secret, token), scope.service, scope.region).add_auth(request)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Received("POST", "/v1/speech", [("a", "1"), ("b", "/")], headers, body)


def refusal(received, scope=SCOPE):
    with pytest.raises(HttpError) as refused:
        check_signature(received, scope, ID, [SECRET])
    assert refused.value.status == 403
    return refused.value.detail["code"]


def test_amazons_own_example():
    # "get-vanilla" of the aws-sig-v4-test-suite.
    headers = {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z"}
    received = Received("GET", "/", [], headers, b"")
    names = ["host", "x-amz-date"]
    assert canonical_request(received, names).startswith("GET\n/\n\nhost:example.amazonaws.com\nx-amz-date:2015")
    signature = signature_of(received, names, Scope("us-east-1", "service"), SECRET)
    assert signature == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"


def test_what_the_sdk_signs_is_accepted():
    check_signature(signed(), SCOPE, ID, [SECRET])
    check_signature(signed(token="temporary"), SCOPE, ID, ["another", SECRET])
    check_signature(signed(secret="any"), SCOPE, ID, None)
    assert access_key_of(signed().headers) == ID


def test_a_path_is_encoded_once_more():
    url = "http://127.0.0.1:1/model/us.amazon.nova-lite-v1%3A0/converse-stream"
    received = replace(signed(url), raw_path="/model/us.amazon.nova-lite-v1%3A0/converse-stream", query=[])
    check_signature(received, SCOPE, ID, [SECRET])


@pytest.mark.parametrize(
    "change",
    [
        {"body": b'{"Text": "Ho."}'},
        {"raw_path": "/v1/voices"},
        {"query": [("a", "2")]},
        {"method": "GET"},
        {"headers": signed().headers | {"host": "elsewhere"}},
        {"headers": signed().headers | {"x-amz-security-token": "unsigned"}},
    ],
)
def test_what_was_changed_on_the_way_is_refused(change):
    assert refusal(replace(signed(), **change)) == "InvalidSignatureException"


@pytest.mark.parametrize("scope", [Scope("eu-west-1", "polly"), Scope("us-east-1", "bedrock")])
def test_what_was_signed_for_something_else_is_refused(scope):
    assert refusal(signed(scope=scope)) == "InvalidSignatureException"


def test_another_secret_is_refused():
    assert refusal(signed(secret="wrong")) == "InvalidSignatureException"


def test_another_access_key_is_refused():
    with pytest.raises(HttpError) as refused:
        check_signature(signed(), SCOPE, "AKIDOTHER", [SECRET])
    assert refused.value.detail["code"] == "UnrecognizedClientException"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "MissingAuthenticationTokenException"),
        ({"authorization": "Bearer secret"}, "IncompleteSignatureException"),
        ({"authorization": signed().headers["authorization"]}, "IncompleteSignatureException"),
    ],
)
def test_a_request_that_is_not_signed_is_refused(headers, code):
    assert refusal(replace(signed(), headers=headers)) == code


@pytest.mark.parametrize("off", [timedelta(minutes=-6), timedelta(minutes=6)])
def test_an_old_signature_is_refused(off):
    stamp = f"{datetime.now(UTC) + off:%Y%m%dT%H%M%SZ}"
    old = signed().headers
    authorization = old["authorization"].replace(f"/{old['x-amz-date'][:8]}/", f"/{stamp[:8]}/")
    headers = old | {"x-amz-date": stamp, "authorization": authorization}
    assert refusal(replace(signed(), headers=headers)) == "InvalidSignatureException"
    with pytest.raises(HttpError, match="403"):
        check_signature(replace(signed(), headers=headers), SCOPE, ID, None)
