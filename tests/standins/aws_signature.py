"""Checking what AWS checks of a signature: Signature Version 4.

Written after https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html and, for the
errors, https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html. It is computed here from the parts of
the request as they came over the wire, without the SDK's signer.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from tests.standins.base import HttpError

ALGORITHM = "AWS4-HMAC-SHA256"
_LONGEST_SKEW = timedelta(minutes=5)
_AUTHORIZATION = re.compile(
    rf"{ALGORITHM} Credential=(?P<id>[^/,\s]+)/(?P<date>\d{{8}})/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)"
    r"/aws4_request, ?SignedHeaders=(?P<headers>[a-z0-9;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Received:
    """A request, as it was received.

    Attributes:
        method: HTTP method.
        raw_path: Path with the percent-encoding that was sent.
        query: Query parameters, decoded.
        headers: Headers, names in lower case.
        body: The body.
    """

    method: str
    raw_path: str
    query: Collection[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Scope:
    """What a signature must be for.

    Attributes:
        region: Region.
        service: Name that the service signs with.
    """

    region: str
    service: str


def access_key_of(headers: Mapping[str, str]) -> str | None:
    """The access key id that a request names, or None."""
    match = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    return match["id"] if match else None


def check_signature(received: Received, scope: Scope, access_key: str, secrets: Collection[str] | None) -> None:
    """Refuse a request whose signature is missing, for something else, too old or wrong.

    Args:
        received: The request.
        scope: What it must be signed for.
        access_key: The access key id that exists.
        secrets: Its secrets; None accepts any.

    Raises:
        HttpError: With status 403 and Amazon's code in ``code``.
    """
    headers = received.headers
    if "authorization" not in headers:
        raise HttpError(403, "Missing Authentication Token", code="MissingAuthenticationTokenException")
    match = _AUTHORIZATION.fullmatch(headers["authorization"])
    if match is None:
        raise HttpError(403, "Authorization header is malformed.", code="IncompleteSignatureException")
    signed = match["headers"].split(";")
    _check_headers(headers, signed)
    _check_date(headers["x-amz-date"], match["date"])
    if (match["region"], match["service"]) != (scope.region, scope.service):
        raise _mismatch(f"Credential should be scoped to a valid region and to service '{scope.service}'.")
    if secrets is None:
        return
    if match["id"] != access_key:
        raise HttpError(
            403, "The security token included in the request is invalid.", code="UnrecognizedClientException"
        )
    expected = [signature_of(received, signed, scope, secret) for secret in secrets]
    if match["signature"] not in expected:
        canonical = canonical_request(received, signed)
        # The vendor really quotes the whole request, session token included.
        raise _mismatch(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            f"Access Key and signing method.\n\nThe Canonical String for this request should have been\n'{canonical}'"
        )


def _mismatch(message: str) -> HttpError:
    return HttpError(403, message, code="InvalidSignatureException")


def _check_headers(headers: Mapping[str, str], signed: list[str]) -> None:
    missing = [name for name in signed if name not in headers]
    if "host" not in signed or "x-amz-date" not in headers or missing or signed != sorted(signed):
        raise HttpError(
            403, "Authorization header requires a sorted list of signed headers.", code="IncompleteSignatureException"
        )
    unsigned = [name for name in headers if name.startswith("x-amz-") and name not in signed]
    if unsigned:
        raise _mismatch(f"There were headers present in the request which were not signed: {', '.join(unsigned)}")


def _check_date(stamp: str, date: str) -> None:
    try:
        sent = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise HttpError(403, "Date must be in ISO-8601 basic format.", code="IncompleteSignatureException") from None
    if date != stamp[:8]:
        raise _mismatch("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.")
    now = datetime.now(UTC)
    if abs(now - sent) > _LONGEST_SKEW:
        raise _mismatch(f"Signature expired: {stamp} is now earlier than {(now - _LONGEST_SKEW):%Y%m%dT%H%M%SZ}")


def canonical_request(received: Received, signed: list[str]) -> str:
    """What of a request is signed, in its canonical form.

    Args:
        received: The request.
        signed: Names of the headers that are signed.
    """
    quoted = [(quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in received.query]
    query = "&".join(f"{name}={value}" for name, value in sorted(quoted))
    headers = "".join(f"{name}:{' '.join(received.headers[name].split())}\n" for name in signed)
    # Every service but S3 encodes the path that was sent once more.
    path = quote(received.raw_path, safe="/-_.~")
    digest = hashlib.sha256(received.body).hexdigest()
    return "\n".join([received.method, path, query, headers, ";".join(signed), digest])


def signature_of(received: Received, signed: list[str], scope: Scope, secret: str) -> str:
    """The signature that a request must have.

    Args:
        received: The request.
        signed: Names of the headers that are signed.
        scope: What it is signed for.
        secret: The secret access key.
    """
    stamp = received.headers["x-amz-date"]
    parts = (stamp[:8], scope.region, scope.service, "aws4_request")
    digest = hashlib.sha256(canonical_request(received, signed).encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in parts:
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, f"{ALGORITHM}\n{stamp}\n{'/'.join(parts)}\n{digest}".encode(), "sha256").hexdigest()
