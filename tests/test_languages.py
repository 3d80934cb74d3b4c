"""No page and no letter mixes languages: in a Korean one each Latin word is a name, in an English one no Hangul stands."""
import re
import secrets
from html.parser import HTMLParser

import pytest

from eventapp import audit, mail
from eventapp.blueprints.public import payment as payment_page
from eventapp.domain import attempts, connecting_gateways, paying, registering, ticketing
from eventapp.domain.ordering import Participant
from eventapp.extensions import db
from eventapp.web.urls import sign
from tests import make, specimens

NAMES = set("Eventapp English UBF QR PDF JPEG PNG WebP MB HSBC SC iM KB CSV XLSX USB Shift MEET Kakao Chrome Safari Firefox Linux Owner Operator "
            "Participant Door Staff Admin localhost Toss Payments TossPayments PortOne Stripe ID KG KCP".split())
"""Latin words that Korean text keeps, people's names of the tests' world included."""
OWN = ("한국어", "박참가", "김하나", "이두리", "서울UBF")
"""Hangul that English pages keep: what people wrote about themselves, and the language's own name."""
CODES = re.compile(r"\S+@\S+|(?:https?|mailto|tel):\S*|\S*[a-z]\.example\S*|\S*\w[-/_]\w\S*|\b\w*\d\w*\b|×")
"""Addresses, numbers of registrations, codes of programs: they have no language."""
READ = {"placeholder", "aria-label", "title", "alt", "data-copied", "content"}
SAID = {"description", "og:title", "og:description", "og:site_name"}
PAGES = ("ko", "en")


class Reader(HTMLParser):
    """What a person reads or hears; what is marked as another language is left out."""

    def __init__(self, html: str):
        super().__init__()
        self.texts, self.language, self._silent = [], "", []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.language = self.language or values.get("lang", "")
        other = values.get("lang", self.language) != self.language
        if tag in ("script", "style", "pre", "iframe", "kbd", "code") or other or self._silent:
            if tag not in ("meta", "link", "input", "img", "br", "use", "path"):
                self._silent.append(tag)
            return
        if tag != "meta" or (values.get("name") or values.get("property")) in SAID:
            self.texts += [values[name] for name in READ & values.keys() if values[name]]

    def handle_endtag(self, tag):
        if self._silent and tag == self._silent[-1]:
            self._silent.pop()

    def handle_data(self, data):
        if not self._silent and data.strip():
            self.texts.append(data.strip())


def foreign(text: str, locale: str) -> list[str]:
    """The words of `text` that belong to the other language."""
    if locale == "en":
        for own in OWN:
            text = text.replace(own, "")
        return re.findall(r"[가-힣]+", text)
    return [word for word in re.findall(r"[A-Za-z]{2,}", CODES.sub(" ", text)) if word not in NAMES]


def mixed(response) -> list[str]:
    reader = Reader(response.text)
    return [f"{response.request.path} ({reader.language}): {text[:90]!r}" for text in reader.texts if foreign(text, reader.language)]


def read(browser, path: str, post=None) -> list[str]:
    """What is wrong with this page in both languages."""
    wrong = []
    for locale in PAGES:
        address = f"{path}{'&' if '?' in path else '?'}lang={locale}"
        answer = browser.get(address) if post is None else browser.post(address, post)
        if answer.mimetype == "text/html" and answer.status_code not in (301, 302, 303):
            assert f'<html lang="{locale}"' in answer.text, f"{path} is not in {locale}"
            wrong += mixed(answer)
    return wrong


# -- pages -----------------------------------------------------------------------------------------

def test_the_check_would_notice():
    assert foreign("Pay another way", "ko") and foreign("결제하기", "en")
    assert not foreign("서울 UBF · WMC26-7K3Q9 · hana@example.com", "ko") and not foreign("한국어", "en")


@pytest.mark.parametrize("who", ["", "participant@seoul-ubf.example", "owner@seoul-ubf.example", "door@seoul-ubf.example",
                                 "operator@example.com"])
def test_every_page_of_the_map_speaks_one_language(app, sign_in, who):
    browser = sign_in(who) if who else app.test_client()
    samples = {"org": "seoul-ubf", "event": "wmc-2026", "slug": "seoul-ubf", "number": "1"}
    wrong = []
    for rule in app.url_map.iter_rules():
        if "GET" in rule.methods and not rule.rule.startswith(("/dev", "/static")):
            wrong += read(browser, re.sub(r"<(?:\w+:)?(\w+)>", lambda match: samples.get(match[1], "x" * 20), rule.rule))
    assert wrong == []


def test_the_pages_for_developers_speak_one_language(client):
    assert read(client, "/dev/mailbox") == []


def test_a_form_that_is_refused_speaks_one_language(client):
    wrong = []
    for form in (
        {"name": "", "email": "hana", "phone": "12", "program": "workshop", "method": "card", "field-age": "old", "field-transport": "car"},
        {"name": "김하나", "email": "", "program": "nothing-like-it", "method": "barter", "consent-other": "1"},
        {"participants": "2", "name": "김하나", "email": "hana@example.com", "p2-name": "", "qty-lodging": "99", "method": "card"},
        {"participants": "99", "name": "김하나" * 60, "email": "hana@example.com", "field-church": "x" * 900, "method": "card"},
    ):
        wrong += read(client, "/seoul-ubf/wmc-2026/register", {"submission": secrets.token_urlsafe(24)} | form)
    assert wrong == []


def test_pages_about_an_account_that_are_refused_speak_one_language(client, participant):
    wrong = [*read(client, "/auth/login", {"email": "x", "password": ""}), *read(client, "/auth/signup", {"email": "x", "password": "12"}),
             *read(client, "/auth/login", {"email": "x@example.com", "password": "wrong-password"}),
             *read(client, "/auth/signup", {"name": "김하나", "email": "x@example.com", "password": "password123"}),
             *read(participant, "/account", {"name": "박참가", "phone": "12"}),
             *read(participant, "/account/password", {"password": "no", "new_password": "1"})]
    assert wrong == []


@pytest.fixture
def orders(app, world):
    """An order in each state: state → Order."""
    world.seoul.enter()
    connecting_gateways.connect_account("toss", mode="test", client_key="test_ck_demo0000000001", secret_key="test_sk_demo0000000001")
    event = world.seoul.event()

    def place(method="card", chosen="main-conference", people=1):
        persons = [Participant(name=("김하나", "이두리")[number], email=f"hana{secrets.token_hex(3)}@example.com", chosen={chosen: 1})
                   for number in range(people)]
        return make.order(event, *persons, method=method)

    made = {"card": place(), "manual": place("manual_transfer"), "account": place("virtual_account"), "free": place("free", "free-day", 2),
            "checking": place(), "expired": place(), "cancelled": place("free", "free-day")}
    attempts.prepare(paying.current(made["checking"]), "confirm", {})
    registering.expire(made["expired"])
    registering.cancel(registering.of_order(made["cancelled"]), by=audit.SYSTEM, reason="")
    made["approval"] = make.order(world.seoul.event("meetup"), Participant(name="김하나", email="hana@example.com", chosen={"seat": 1}),
                                  method="free")
    db.session.commit()
    world.seoul.enter()
    return made


def test_the_pages_of_an_order_speak_one_language_in_every_state(app, orders):
    wrong, addresses = [], []
    with app.test_request_context("/"):
        for state, order in orders.items():
            slug = "meetup" if state == "approval" else "wmc-2026"
            path = f"/seoul-ubf/{slug}/orders/{ticketing.order_token(order)}"
            cookie = sign("order", [order.org_id, order.id])
            current = paying.current(order)
            reference = sign("payment", [current.org_id, current.id]) if current else ""
            addresses.append((slug, path, cookie, reference))
    for slug, path, cookie, reference in addresses:
        browser = app.test_client()
        assert browser.get(path).status_code == 200
        wrong += read(browser, path) + read(browser, f"{path}/cancel") + read(browser, f"{path}/cash-receipt")
        wrong += read(browser, f"/seoul-ubf/{slug}/pay/{ticketing.pay_token(order)}")
        wrong += read(browser, f"/payment/success?ref={reference}") + read(browser, f"/payment/fail?ref={reference}")
        browser.set_cookie("order", cookie)
        wrong += read(browser, "/registration/success") + read(browser, f"/seoul-ubf/{slug}/register/payment")
        wrong += read(browser, f"/payment/success?ref={reference}") + read(browser, f"/payment/fail?ref={reference}")
    assert wrong == []


def test_every_reason_of_a_failed_payment_is_said_in_one_language(app, orders):
    from eventapp.languages import force_locale

    codes = ["PAY_PROCESS_CANCELED", "REJECT_CARD_PAYMENT", "", "SOMETHING_NEW", "AMOUNT_DIFFERS", "PLACES_GONE", "OVER"]
    with app.test_request_context("/"):
        for locale in PAGES:
            with force_locale(locale):
                assert [text for text in map(payment_page.failure_text, codes) if foreign(text, locale)] == []


# -- letters ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("locale", PAGES)
@pytest.mark.parametrize("kind", mail.KINDS)
def test_letters_speak_one_language(kind, locale):
    variants = [{}]
    if "deposit" in mail.KINDS[kind]:
        variants += [{"deposit": specimens.deposit(locale, virtual=False, depositor=specimens.TEXTS[locale]["people"][0])}]
    if kind == "payment_reminder":
        variants += [{"deposit": None}]
    for changes in variants:
        letter = mail.render(kind, locale, **specimens.values(kind, locale, **changes))
        texts = [letter.subject, *letter.text.splitlines(), *Reader(letter.html).texts]
        assert [text for text in texts if foreign(text, locale)] == []
