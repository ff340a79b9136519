from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mail.base import Email, Recipient
from adapters.mail.smtp import SmtpMailer, SmtpServer, parse_smtp_url
from models.errors import InvalidField, ToolFailed
from tests.standins.certificate import self_signed
from tests.standins.smtp import PASSWORD, USER, SmtpStandIn, smtp_stand_in

SENDER = "clinic@example.com"
NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
ANN = Recipient("ann@example.org", "Ann Müller")
LOGIN = f"{USER}:p%40ss%2Fword@"
TLS = ssl.create_default_context()


def email(**changes: Any) -> Email:
    return Email(
        **{"to": [ANN], "subject": "Your table", "content": "At eight.\nSee you.", "message_id": "k1", **changes}
    )


def mailer(url: str, tls: ssl.SSLContext = TLS, **changes: Any) -> SmtpMailer:
    return SmtpMailer(parse_smtp_url("smtp_url", url), SENDER, ssl_context=tls, clock=lambda: NOW, **changes)


def plain(stand_in: SmtpStandIn) -> SmtpMailer:
    return mailer(f"smtp://127.0.0.1:{stand_in.port}?starttls=off")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's side and the client's."""
    pem = self_signed(tmp_path)
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(pem)
    return theirs, ssl.create_default_context(cafile=pem)


async def test_an_email() -> None:
    async with smtp_stand_in() as stand_in:
        await plain(stand_in).send(email(to=[ANN, Recipient("bob@example.net")], subject="Grüße"))
        [mail] = stand_in.mails
        assert (mail.sender, mail.recipients) == (SENDER, ["ann@example.org", "bob@example.net"])
        message = mail.message
        assert message["From"] == SENDER
        assert message["To"] == "Ann Müller <ann@example.org>, bob@example.net"
        assert message["Subject"] == "Grüße"
        assert message["Message-ID"] == "<k1@example.com>"
        assert message["Date"].datetime == NOW
        assert message.get_content().splitlines() == ["At eight.", "See you."]


@pytest.mark.parametrize("implicit", [False, True])
async def test_over_tls_with_a_login(certificate: tuple[ssl.SSLContext, ssl.SSLContext], implicit: bool) -> None:
    theirs, ours = certificate
    async with smtp_stand_in(theirs, implicit=implicit) as stand_in:
        scheme = "smtps" if implicit else "smtp"
        await mailer(f"{scheme}://{LOGIN}127.0.0.1:{stand_in.port}", ours).send(email())
        [mail] = stand_in.mails
        assert (mail.encrypted, mail.login) == (True, True)


async def test_a_wrong_password(certificate: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    theirs, ours = certificate
    async with smtp_stand_in(theirs) as stand_in:
        with pytest.raises(ToolFailed, match="login") as caught:
            await mailer(f"smtp://{USER}:wrong@127.0.0.1:{stand_in.port}", ours).send(email())
        assert not caught.value.retryable
        assert stand_in.mails == []


async def test_a_server_that_is_not_who_it_should_be(certificate: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    theirs, _ = certificate
    async with smtp_stand_in(theirs) as stand_in:
        with pytest.raises(ToolFailed):
            await mailer(f"smtp://{LOGIN}127.0.0.1:{stand_in.port}").send(email())
        assert stand_in.mails == []


async def test_a_server_without_tls_is_told_nothing() -> None:
    async with smtp_stand_in() as stand_in:
        with pytest.raises(ToolFailed):
            await mailer(f"smtp://127.0.0.1:{stand_in.port}").send(email())
        assert stand_in.mails == []


async def test_nobody_there() -> None:
    async with smtp_stand_in() as stand_in:
        sender = plain(stand_in)
    with pytest.raises(ToolFailed, match="cannot be reached") as caught:
        await sender.send(email())
    assert caught.value.retryable


async def test_a_recipient_whom_nobody_knows() -> None:
    async with smtp_stand_in() as stand_in:
        stand_in.refused = {"bob@example.net"}
        with pytest.raises(ToolFailed, match="takes no email for this address"):
            await plain(stand_in).send(email(to=[Recipient("bob@example.net")]))
        assert stand_in.mails == []
        with pytest.raises(ToolFailed, match="not to all") as caught:
            await plain(stand_in).send(email(to=[ANN, Recipient("bob@example.net")]))
        assert caught.value.detail == "bob@example.net"
        assert [mail.recipients for mail in stand_in.mails] == [["ann@example.org"]]


@pytest.mark.parametrize(("answer", "retryable"), [("451 4.3.0 later", True), ("554 5.7.1 spam", False)])
async def test_an_email_that_is_not_taken_is_not_sent_again(answer: str, retryable: bool) -> None:
    async with smtp_stand_in() as stand_in:
        stand_in.data_answer = answer
        with pytest.raises(ToolFailed, match="refused the email") as caught:
            await plain(stand_in).send(email())
        assert caught.value.retryable is retryable
        assert stand_in.connections == 1


@given(subject=st.text(), name=st.text(), content=st.text(max_size=200))
def test_nothing_that_is_given_ends_a_header(subject: str, name: str, content: str) -> None:
    sender = mailer("smtp://mail.example.com")
    message = sender._message(email(subject=subject, content=content, to=[Recipient("ann@example.org", name)]))
    head = message.as_bytes().split(b"\r\n\r\n")[0]
    names = [line.split(b":")[0] for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))]
    assert sorted(names) == sorted(
        [
            b"From",
            b"To",
            b"Subject",
            b"Date",
            b"Message-ID",
            b"Auto-Submitted",
            b"Content-Type",
            b"Content-Transfer-Encoding",
            b"MIME-Version",
        ]
    )


@pytest.mark.parametrize("to", [[], [ANN] * 21])
async def test_how_many_recipients(to: list[Recipient]) -> None:
    with pytest.raises(InvalidField) as caught:
        await mailer("smtp://mail.example.com").send(email(to=to))
    assert caught.value.field == "destinations"


async def test_a_recipient_that_is_none_is_named() -> None:
    with pytest.raises(InvalidField) as caught:
        await mailer("smtp://mail.example.com").send(email(to=[ANN, Recipient("bob\r\nBcc: x@example.com")]))
    assert caught.value.field == "destinations.1.target"


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.com", SmtpServer("mail.example.com", 587, tls=False)),
        ("smtps://mail.example.com", SmtpServer("mail.example.com", 465, tls=True)),
        ("smtp://localhost:25/?starttls=off", SmtpServer("localhost", 25, tls=False, plain=True)),
    ],
)
def test_urls(url: str, server: SmtpServer) -> None:
    assert parse_smtp_url("smtp_url", url) == server


def test_a_login_in_the_url_is_no_secret_to_lose() -> None:
    server = parse_smtp_url("smtp_url", f"smtps://{LOGIN}mail.example.com")
    assert (server.user, server.password.get_secret_value()) == (USER, PASSWORD)
    assert PASSWORD not in repr(server)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example.com",
        "http://mail.example.com",
        "smtp://",
        "smtp://h:99999",
        "smtp://h/path",
        "smtp://h?starttls=maybe",
        "smtp://h?other=1",
        "smtp://u:secret@h?starttls=off",
        "smtps://h?starttls=off",
    ],
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(InvalidField) as caught:
        parse_smtp_url("smtp_url", url)
    assert caught.value.field == "smtp_url"
    assert "secret" not in caught.value.message


def test_a_sender_that_is_none() -> None:
    with pytest.raises(InvalidField) as caught:
        SmtpMailer(SmtpServer("h", 25, tls=False), "clinic", ssl_context=TLS, clock=lambda: NOW)
    assert caught.value.field == "smtp_from"
