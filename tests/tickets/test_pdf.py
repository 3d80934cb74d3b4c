import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import psutil
import pytest
import zxingcpp
from PIL import Image
from pypdf import PdfReader

from eventapp.tickets import pdf
from eventapp.tickets.values import Ticket
from tests.specimens import event, organization, participant, ticket


@pytest.fixture(autouse=True, scope="module")
def nothing_left_running():
    yield
    pdf.stop()


@pytest.fixture
def fresh_child():
    pdf.stop()


def pages(document):
    return PdfReader(io.BytesIO(document)).pages


def scanned(document, page=1):
    """The QR as a camera would see the printed page."""
    shot = subprocess.run(["pdftoppm", "-r", "150", "-f", str(page), "-l", str(page), "-gray", "-"], input=document,
                          capture_output=True, check=True).stdout
    return zxingcpp.read_barcode(Image.open(io.BytesIO(shot))).text


@pytest.mark.parametrize("locale", ["ko", "en"])
def test_a_ticket_can_be_read_by_people_and_by_scanners(locale):
    value = ticket(locale)
    document = pdf.ticket(value)
    text = " ".join(pages(document)[0].extract_text().split())
    for words in (value.event.title, value.participant.name, value.participant.number, value.organization.name,
                  *value.participant.programs, value.event.venue):
        assert words in text
    assert scanned(document) == value.participant.code


def test_the_time_is_the_events_own():
    assert "2027년 8월 5일 (목) 오후 2:00 – 8월 8일 (일) 오후 12:00" in pages(pdf.ticket(ticket()))[0].extract_text()


def test_an_order_is_one_document_with_a_page_for_each():
    document = pdf.tickets([ticket("ko", 0), ticket("en", 1), ticket("ko", 2)])
    assert ["김다윗" in pages(document)[0].extract_text(), "Sarah Lee" in pages(document)[1].extract_text(),
            "박요한" in pages(document)[2].extract_text()] == [True, True, True]
    assert [scanned(document, page) for page in (1, 2, 3)] == [participant(which=which).code for which in range(3)]


def test_long_names_stay_on_one_page():
    crowded = Ticket(organization(name="가" * 200), event(title="세계 선교 " * 60, venue="나" * 300),
                     participant(name="Vladimirovich " * 12, programs=("Lodging in a double room, breakfast",) * 30),
                     "en")
    document = pdf.ticket(crowded)
    assert len(pages(document)) == 1
    assert scanned(document) == crowded.participant.code


def test_words_from_people_stay_words():
    document = pdf.ticket(Ticket(organization(), event(), participant(name="<b>Kim</b> &amp; Lee"), "en"))
    assert "<b>Kim</b> &amp; Lee" in " ".join(pages(document)[0].extract_text().split())


@pytest.mark.parametrize("html", [
    '<img src="http://127.0.0.1:{port}/a.png">', '<img src="file:///etc/passwd">', '<img src="../../config.py">',
    '<link rel="stylesheet" href="http://127.0.0.1:{port}/a.css">', '<p style="background: url(http://127.0.0.1:{port}/)">',
    '<link rel="attachment" href="file:///etc/passwd">', '<object data="http://127.0.0.1:{port}/">',
    '<style>@import "http://127.0.0.1:{port}/";</style>', '<svg><image href="http://127.0.0.1:{port}/"/></svg>',
])
def test_nothing_is_fetched(html):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        try:
            document = pdf.render(html.format(port=server.getsockname()[1]))
        except pdf.RenderFailed as refused:
            assert "not one of our files" in str(refused)
        else:
            assert b"root:" not in document
            assert list(PdfReader(io.BytesIO(document)).attachments) == []
        with pytest.raises(TimeoutError):
            server.accept()


def test_no_socket_can_be_opened_in_the_child():
    """Behind the fetcher's back: the fence itself."""
    code = ("import resource, socket, sys; sys.argv = ['']; from eventapp.tickets import renderer;"
            "renderer._fence(2**29)\n"
            "try: socket.create_connection(('127.0.0.1', 9))\n"
            "except PermissionError: print('fenced')")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "fenced"


def test_the_next_ticket_is_made_after_the_child_was_killed():
    pdf.ticket(ticket())
    os.kill(pdf._child.process.pid, signal.SIGKILL)
    assert len(pages(pdf.ticket(ticket()))) == 1


def test_a_child_killed_in_the_middle_is_replaced_and_the_document_made():
    pdf.ticket(ticket())
    made = []
    thread = threading.Thread(target=lambda: made.append(pdf.tickets([ticket(which=which) for which in range(60)])))
    first = pdf._child.process.pid
    thread.start()
    time.sleep(0.4)
    os.kill(first, signal.SIGKILL)
    thread.join(30)
    assert len(pages(made[0])) == 60
    assert pdf._child.process.pid != first


def test_a_document_that_takes_too_long_is_given_up(monkeypatch):
    pdf.ticket(ticket())
    monkeypatch.setattr(pdf, "SECONDS", 0.5)
    with pytest.raises(pdf.RenderFailed, match="too long"):
        pdf.render("<p>가나다라 " * 50_000)
    monkeypatch.setattr(pdf, "SECONDS", 20)
    assert len(pages(pdf.ticket(ticket()))) == 1


def test_a_document_that_needs_too_much_memory_is_given_up(monkeypatch, fresh_child):
    monkeypatch.setattr(pdf, "MEMORY", 8 * 2**20)
    with pytest.raises(pdf.RenderFailed):
        pdf.render("<p>가나다라 " * 20_000)
    monkeypatch.undo()
    pdf.stop()
    assert len(pages(pdf.ticket(ticket()))) == 1


def test_threads_share_the_child():
    made = {}
    threads = [threading.Thread(target=lambda which=which: made.update({which: pdf.ticket(ticket(which=which))}))
               for which in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [scanned(made[which]) for which in range(8)] == [participant(which=which).code for which in range(8)]


def test_the_child_is_renewed_now_and_then(monkeypatch, fresh_child):
    monkeypatch.setattr(pdf, "DOCUMENTS", 2)
    children = []
    for _ in range(4):
        pdf.render("<p>a")
        children.append(pdf._child.process.pid)
    assert [children.count(child) for child in dict.fromkeys(children)] == [2, 2]


def test_the_child_ends_with_its_parent():
    code = ("import os, signal; from eventapp.tickets import pdf; pdf.render('<p>a');"
            "print(pdf._child.process.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    child = int(done.stdout)
    for _ in range(50):
        if not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.1)
    pytest.fail("the child lives on")
