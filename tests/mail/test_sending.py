"""Against a real SMTP server on loopback, in every mood."""
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from eventapp import mail
from eventapp.mail import sending


class Sink:
    """Takes letters, or answers what it was told to."""

    def __init__(self):
        self.letters, self.sessions, self.answers = [], [], {}

    async def handle_RCPT(self, server, session, envelope, address, options):
        if "RCPT" in self.answers:
            return self.answers["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if "DATA" in self.answers:
            return self.answers["DATA"]
        self.letters.append((envelope.mail_from, envelope.rcpt_tos, envelope.content, session.ssl is not None))
        self.sessions.append(session.peer)
        return "250 taken"


@pytest.fixture
def serve():
    running = []

    def start(sink, **options):
        controller = Controller(sink, hostname="127.0.0.1", port=options.pop("port", 0) or free_port(), **options)
        controller.start()
        running.append(controller)
        return controller

    yield start
    sending.hang_up()
    for controller in running:
        if controller.server is not None:
            controller.stop()


@pytest.fixture
def certificate(tmp_path, monkeypatch):
    """A certificate for localhost that this process trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(1).not_valid_before(datetime.now(UTC) - timedelta(days=1))
            .not_valid_after(datetime.now(UTC) + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
            .sign(key, hashes.SHA256()))
    path = tmp_path / "certificate.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def letter(to="kim@example.com"):
    return mail.message(mail.Letter("제목", "본문\n", "<p>본문</p>"), to, ("서울 UBF", "tickets@events.example"), "",
                        mail.message_id(to, "events.example"))


def url(controller, scheme="smtp", user="", host="127.0.0.1"):
    return f"{scheme}://{user}{host}:{controller.port}"


def test_a_letter_arrives(serve):
    sink = Sink()
    mail.send(letter(), url(serve(sink)))
    (sender, to, content, secure), = sink.letters
    assert (sender, to, secure) == ("tickets@events.example", ["kim@example.com"], False)
    assert b"Message-ID: " + mail.message_id("kim@example.com", "events.example").encode() in content


def test_many_letters_share_a_connection(serve):
    sink = Sink()
    address = url(serve(sink))
    for number in range(200):
        mail.send(letter(f"p{number}@example.com"), address)
    assert [to for _, (to,), *_ in sink.letters] == [f"p{number}@example.com" for number in range(200)]
    assert len(set(sink.sessions)) == 1


def test_each_thread_has_its_own(serve):
    sink = Sink()
    address = url(serve(sink))

    def work():
        for _ in range(5):
            mail.send(letter(), address)
        sending.hang_up()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(sink.letters), len(set(sink.sessions))) == (20, 4)


def test_starttls_is_used_when_offered_and_then_the_password_is_given(serve, certificate):
    seen, sink = [], Sink()

    def authenticate(server, session, envelope, mechanism, data):
        seen.append((data.login, data.password))
        return AuthResult(success=data.password == b"p@ss/word", handled=False)
    controller = serve(sink, tls_context=certificate, authenticator=authenticate, auth_required=True)
    mail.send(letter(), url(controller, user="kim:p%40ss%2Fword@", host="localhost"))
    assert (sink.letters[0][3], seen) == (True, [(b"kim", b"p@ss/word")])
    sending.hang_up()
    with pytest.raises(mail.MailUnavailable):  # our password is wrong: that is no fault of the letter
        mail.send(letter(), url(controller, user="kim:wrong@", host="localhost"))


def test_a_certificate_for_another_name_is_not_accepted(serve, certificate):
    with pytest.raises(mail.MailUnavailable, match="CERTIFICATE"):
        mail.send(letter(), url(serve(Sink(), tls_context=certificate), host="127.0.0.1"))


def test_smtps(serve, certificate):
    sink = Sink()
    controller = serve(sink, ssl_context=certificate, server_hostname="localhost")
    mail.send(letter(), url(controller, "smtps", host="localhost"))
    assert len(sink.letters) == 1


def test_a_password_is_not_sent_in_the_clear(serve, monkeypatch):
    controller = serve(Sink())
    monkeypatch.setattr(socket, "create_connection", _to_loopback(socket.create_connection))
    with pytest.raises(mail.MailUnavailable, match="password stays"):
        mail.send(letter(), url(controller, user="kim:secret@", host="mail.example"))


def _to_loopback(original):
    return lambda address, *rest, **named: original(("127.0.0.1", address[1]), *rest, **named)


@pytest.mark.parametrize("step", ["RCPT", "DATA"])
@pytest.mark.parametrize(("answer", "kind"), [
    ("550 no such user", mail.MailRefused), ("554 looks like spam", mail.MailRefused),
    ("451 try later", mail.MailUnavailable), ("452 full", mail.MailUnavailable)])
def test_for_good_and_for_now(serve, step, answer, kind):
    sink = Sink()
    address = url(serve(sink))
    sink.answers[step] = answer
    with pytest.raises(kind, match=answer[:3]):
        mail.send(letter(), address)
    sink.answers.clear()
    mail.send(letter(), address)  # the connection is still good for the next
    assert len(sink.letters) == 1


def test_nobody_there():
    with pytest.raises(mail.MailUnavailable):
        mail.send(letter(), f"smtp://127.0.0.1:{free_port()}")


def test_a_server_that_says_nothing(monkeypatch):
    monkeypatch.setattr(sending, "WAIT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(mail.MailUnavailable):
            mail.send(letter(), f"smtp://127.0.0.1:{silent.getsockname()[1]}")
        assert time.monotonic() - began < 2


def test_a_kept_connection_that_died_is_replaced(serve):
    sink = Sink()
    controller = serve(sink)
    mail.send(letter(), url(controller))
    controller.stop()
    serve(sink, port=controller.port)
    mail.send(letter(), url(controller))
    assert (len(sink.letters), len(set(sink.sessions))) == (2, 2)


def test_a_server_that_hangs_up_on_every_letter(serve):
    sink = Sink()
    sink.answers["DATA"] = "421 closing"
    controller = serve(sink)
    for _ in range(2):
        with pytest.raises(mail.MailUnavailable, match="421"):
            mail.send(letter(), url(controller))


def test_a_full_disk_is_for_now(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(mail.MailUnavailable):
        mail.send(letter(), f"folder:{tmp_path}/file")
