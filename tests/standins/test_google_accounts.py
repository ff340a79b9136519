"""What Google's stand-ins check about a token, with tokens of another library than ours."""

import base64
import json
import time

import jwt
import pytest

from tests.standins.google_accounts import check_token, service_account
from tests.standins.grpc_base import GrpcError

AUDIENCE = "https://texttospeech.googleapis.com/"


def token(account=None, *, headers=None, algorithm="RS256", key=None, **changes):
    fields = json.loads(account or service_account())
    now = int(time.time())
    email = fields["client_email"]
    claims = {"iss": email, "sub": email, "aud": AUDIENCE, "iat": now, "exp": now + 3600} | changes
    kid = {"kid": fields["private_key_id"]} | (headers or {})
    return jwt.encode(claims, key or fields["private_key"], algorithm=algorithm, headers=kid)


def test_an_account_is_the_same_each_time_and_not_another():
    assert service_account() == service_account()
    assert service_account() != service_account("other")
    assert json.loads(service_account("a", "b"))["client_email"] == "a@b.iam.gserviceaccount.com"


def test_a_token_of_a_known_account_is_good():
    check_token(token(), AUDIENCE, [service_account("other"), service_account()])


def forged():
    head, _, signature = token().split(".")
    claims = json.dumps({"iss": json.loads(service_account())["client_email"], "aud": AUDIENCE}).encode()
    return f"{head}.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.{signature}"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (lambda: "", "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        (lambda: "word", "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        (lambda: "a.b.c", "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        (forged, "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        (lambda: token(service_account("stranger")), "ACCOUNT_STATE_INVALID"),
        (lambda: token(headers={"kid": "other"}), "ACCOUNT_STATE_INVALID"),
        (lambda: token(key="k" * 32, algorithm="HS256"), "ACCOUNT_STATE_INVALID"),
        (lambda: token(key=json.loads(service_account("stranger"))["private_key"]), "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        (lambda: token(sub="somebody"), "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        (lambda: token(aud="https://dialogflow.googleapis.com/"), "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        (lambda: token(exp=int(time.time()) - 3600), "ACCESS_TOKEN_EXPIRED"),
        (lambda: token(exp=int(time.time()) + 7200), "ACCESS_TOKEN_EXPIRED"),
        (lambda: token(iat=int(time.time()) + 600), "ACCESS_TOKEN_EXPIRED"),
    ],
)
def test_any_other_token_is_refused(bad, reason):
    with pytest.raises(GrpcError) as refused:
        check_token(bad(), AUDIENCE, [service_account()])
    assert (refused.value.status, refused.value.reason) == (401, reason)
