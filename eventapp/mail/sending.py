"""A message leaves, by SMTP or into the local mailbox's folder.

Each thread keeps its connection for the next message, so that five hundred letters need one greeting. What the other
side says for good (5xx about this message) is MailRefused; all else — no connection, 4xx, a wrong password of
ours — is MailUnavailable, and trying again later makes sense.
"""
import os
import secrets
import smtplib
import socket
import ssl
import threading
import time
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import unquote, urlsplit

from eventapp import storage

CONNECT = 5  # seconds
WAIT = 30  # seconds for each answer
IDLE = 20  # seconds after which a kept connection is not trusted any more
OUR_FAULT = (530, 534, 535, 538)  # "authenticate first": nothing is wrong with the message

_kept = threading.local()


class MailUnavailable(Exception):
    """Not now; the same message may go later."""


class MailRefused(Exception):
    """Never: the server does not take this message or this address."""


def send(message: EmailMessage, url: str) -> None:
    """`smtp://` (STARTTLS when offered), `smtps://` or `folder:<path>`; raises MailRefused or MailUnavailable."""
    if url.startswith("folder:"):
        return _put(message, Path(url.removeprefix("folder:")))
    fresh = not _usable(url)
    try:
        _transmit(message, url)
    except (smtplib.SMTPServerDisconnected, ConnectionError) as error:
        hang_up()
        if fresh:
            raise MailUnavailable(str(error)) from error
        _again(message, url)  # the kept connection had died meanwhile: that says nothing about the server
    except OSError as error:  # time-outs, TLS, names: SMTPException is an OSError too
        raise _judged(error) from error


def hang_up() -> None:
    """Close this thread's connection, if there is one."""
    connection, _kept.connection = getattr(_kept, "connection", None), None
    if connection is not None:
        connection.close()


def _again(message, url):
    try:
        _transmit(message, url)
    except OSError as error:
        raise _judged(error) from error


def _judged(error: OSError) -> Exception:
    """What went wrong, as one of our two; a connection in an unclear state is given up."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, text = next(iter(error.recipients.values()))
    elif isinstance(error, smtplib.SMTPNotSupportedError):  # an address in Korean letters, a server without SMTPUTF8
        return MailRefused(str(error))
    elif isinstance(error, smtplib.SMTPResponseException):
        code, text = error.smtp_code, error.smtp_error
    else:
        hang_up()
        return MailUnavailable(f"{type(error).__name__}: {error}")
    about_us = isinstance(error, smtplib.SMTPConnectError | smtplib.SMTPHeloError | smtplib.SMTPAuthenticationError)
    if about_us or code in OUR_FAULT or code == 421:
        hang_up()
    refused = 500 <= code < 600 and not about_us and code not in OUR_FAULT
    said = f"{code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"[:500]
    return MailRefused(said) if refused else MailUnavailable(said)


def _transmit(message: EmailMessage, url: str):
    if not _usable(url):
        hang_up()
        _kept.connection, _kept.url = _connect(url), url
    _kept.connection.send_message(message)
    _kept.used = time.monotonic()


def _usable(url: str) -> bool:
    return (getattr(_kept, "connection", None) is not None and _kept.url == url
            and time.monotonic() - _kept.used < IDLE)


def _connect(url: str) -> smtplib.SMTP:
    parts = urlsplit(url)
    host, secure = parts.hostname or "localhost", parts.scheme == "smtps"
    connection = (_SecureSMTP if secure else _PlainSMTP)(host, parts.port or (465 if secure else 587))
    try:
        connection.ehlo_or_helo_if_needed()
        if not secure and connection.has_extn("starttls"):
            connection.starttls(context=ssl.create_default_context())
            connection.ehlo()
            secure = True
        if parts.username:
            if not secure and host not in ("localhost", "127.0.0.1", "::1"):
                raise smtplib.SMTPHeloError(0, "no STARTTLS there: the password stays with us")
            connection.login(unquote(parts.username), unquote(parts.password or ""))
    except BaseException:
        connection.close()
        raise
    _kept.used = time.monotonic()
    return connection


class _PlainSMTP(smtplib.SMTP):
    """Five seconds to get through, thirty for each answer: smtplib itself knows one time for both."""

    def _get_socket(self, host, port, timeout):
        opened = socket.create_connection((host, port), CONNECT)
        opened.settimeout(WAIT)
        return opened


class _SecureSMTP(_PlainSMTP):
    def _get_socket(self, host, port, timeout):
        opened = super()._get_socket(host, port, timeout)
        return ssl.create_default_context().wrap_socket(opened, server_hostname=host)


def _put(message: EmailMessage, folder: Path):
    """One file a letter, its name sorting by time; seen whole or not at all."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        storage.write(folder / f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}.eml", message.as_bytes())
    except OSError as error:
        raise MailUnavailable(str(error)) from error
