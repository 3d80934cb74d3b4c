"""A browser reduced to what a load generator can afford: one connection, cookies, forms read with two expressions.

It shares the machine with what it measures, so it does no more than it must (about 0.1 ms a request).
"""
import html
import json
import re
import secrets
import socket
import time
from urllib.parse import urlencode, urlsplit

FIELD = re.compile(r'<input type="hidden" name="([^"]+)"(?: id="[^"]*")? value="([^"]*)"')
PARAMETERS = re.compile(r'<script type="application/json" id="payment-params">(.*?)</script>', re.S)
CHECKING = re.compile(r'id="checking"[^>]*hx-get="([^"]+)" hx-trigger="load delay:(\d+)(ms|s)"')
REGISTRATION = re.compile(r'data-registration="([^"]+)"[^>]*data-status="([^"]+)"')




class Unexpected(Exception):
    """An answer that no visitor should get."""


class Answer:
    """`first`: seconds to the first bytes; `seconds`: to the last."""

    __slots__ = ("status", "headers", "body", "first", "seconds")

    def __init__(self, status: int, headers: dict, body: bytes, first: float, seconds: float):
        self.status, self.headers, self.body, self.first, self.seconds = status, headers, body, first, seconds

    @property
    def text(self) -> str:
        return self.body.decode()

    def hidden(self) -> dict[str, str]:
        return {name: html.unescape(value) for name, value in FIELD.findall(self.text)}


class Visitor:
    """`took` collects the seconds of every request by its name."""

    def __init__(self, port: int, took: dict[str, list[float]] | None = None, patience: float = 30):
        self.port, self.took, self.patience = port, {} if took is None else took, patience
        self.cookies: dict[str, str] = {}
        self.headers: dict[str, str] = {}
        """Sent with every request, beside the usual ones."""
        self.connection: socket.socket | None = None

    def get(self, path: str, name: str = "") -> Answer:
        return self.request("GET", path, b"", name)

    def post(self, path: str, fields, name: str = "") -> Answer:
        return self.request("POST", path, urlencode(fields, doseq=True).encode(), name)

    def post_json(self, path: str, value, token: str, name: str = "") -> Answer:
        self.headers["X-CSRFToken"] = token
        return self.request("POST", path, json.dumps(value).encode(), name, "application/json")

    def request(self, method: str, path: str, body: bytes, name: str, kind: str = "application/x-www-form-urlencoded") -> Answer:
        lines = [f"{method} {path} HTTP/1.1", f"Host: localhost:{self.port}", "User-Agent: bench", "Accept: text/html",
                 "Accept-Language: ko-KR,ko;q=0.9", *(f"{name}: {value}" for name, value in self.headers.items())]
        if self.cookies:
            lines.append("Cookie: " + "; ".join(f"{key}={value}" for key, value in self.cookies.items()))
        if method == "POST":
            lines += [f"Origin: http://localhost:{self.port}", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        began = time.perf_counter()
        answer = self._exchange("\r\n".join([*lines, "", ""]).encode() + body, began)
        self.took.setdefault(name or path, []).append(answer.seconds)
        return answer

    def _exchange(self, message: bytes, began: float) -> Answer:
        for fresh in (self.connection is None, True):
            if self.connection is None:
                self.connection = socket.create_connection(("127.0.0.1", self.port), self.patience)
                self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self.connection.sendall(message)
                return self._read(began)
            except ConnectionError:
                self.close()
                if fresh:
                    raise
        raise AssertionError("not reached")

    def _read(self, began: float) -> Answer:
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._some()
        first = time.perf_counter() - began
        head, body = data[:end].decode("latin-1").split("\r\n"), data[end + 4:]
        headers = {}
        for line in head[1:]:
            name, _, value = line.partition(": ")
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
            headers[name.lower()] = value
        if headers.get("transfer-encoding") == "chunked":
            body = self._chunks(body)
        else:
            length = int(headers.get("content-length", 0))
            while len(body) < length:
                body += self._some()
        if headers.get("connection") == "close":
            self.close()
        return Answer(int(head[0].split(" ")[1]), headers, body, first, time.perf_counter() - began)

    def _chunks(self, data: bytes) -> bytes:
        whole = b""
        while True:
            while (end := data.find(b"\r\n")) < 0:
                data += self._some()
            size = int(data[:end], 16)
            while len(data) < end + 2 + size + 2:
                data += self._some()
            whole += data[end + 2:end + 2 + size]
            data = data[end + 2 + size + 2:]
            if size == 0:
                return whole

    def _some(self) -> bytes:
        data = self.connection.recv(262_144)
        if not data:
            raise ConnectionError("closed")
        return data

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


# -- what staff do --------------------------------------------------------------------------------------

def signed_in(port: int, email: str, password: str = "demo-password") -> Visitor:
    visitor = Visitor(port)
    form = expect(visitor.get("/auth/login"), 200)
    expect(visitor.post("/auth/login", form.hidden() | {"email": email, "password": password}), 303)
    return visitor


# -- what a participant does -------------------------------------------------------------------------

ANSWERS = {"field-church": "종로교회", "field-allergy": "땅콩", "field-age": "31", "field-transport": "train",
           "field-languages": ["ko", "en"]}


def filled_form(visitor: Visitor, path: str, program: str, method: str, answers=ANSWERS) -> dict:
    """Open the form and fill it in: a name, an address nobody else has, one program, five answers."""
    form = expect(visitor.get(f"{path}/register", "form"), 200)
    hidden = form.hidden()
    hidden.pop("quote", None)  # it is of the empty choice; a browser without scripts sends none of this one either
    return hidden | {"name": "김하나", "email": f"{secrets.token_hex(8)}@example.com", "phone": "010-1234-5678",
                     "program": program, "method": method, **answers}


def register(visitor: Visitor, path: str, program: str, method: str) -> str:
    """One complete registration: event page, form, five answers, POST, (payment,) confirmation. Its status at the end."""
    expect(visitor.get(path, "event page"), 200)
    answer = expect(visitor.post(f"{path}/register", filled_form(visitor, path, program, method), "POST"), 303)
    if answer.headers["location"].endswith("/register/payment"):
        answer = pay(visitor, answer.headers["location"])
    return confirmed(visitor, answer.headers["location"])


def pay(visitor: Visitor, path: str) -> Answer:
    """Through the gateway's window, which is a page of the sandbox, and back."""
    page = expect(visitor.get(path, "payment page"), 200)
    params = json.loads(html.unescape(PARAMETERS.search(page.text)[1]))
    sandbox = Visitor(visitor.port + 1)
    query = urlencode({"clientKey": params["clientKey"], "customerKey": params["customerKey"], "request": json.dumps(params["request"])})
    window = expect(sandbox.get(f"/toss/window?{query}", "window"), 303)
    back = expect(sandbox.post(window.headers["location"] + "/approve", {}, "approve"), 303)
    sandbox.close()
    visitor.took.setdefault("gateway's window", []).append(sum(sum(times) for times in sandbox.took.values()))
    return come_back(visitor, back.headers["location"])


def come_back(visitor: Visitor, location: str) -> Answer:
    """To the page that knows how it went; while it says "checking" it is asked again, as it asks for itself."""
    name = "return"
    for _ in range(20):
        parts = urlsplit(location)
        answer = visitor.get(f"{parts.path}?{parts.query}", name)
        if answer.status == 200:
            address, number, unit = CHECKING.search(answer.text).groups()
            location = html.unescape(address)
            time.sleep(int(number) / (1000 if unit == "ms" else 1))
        elif (location := expect(answer, 303).headers["location"]).endswith("/registration/success"):
            return answer
        name = "return, checking"
    raise Unexpected("the payment stays unknown")


def confirmed(visitor: Visitor, location: str) -> str:
    parts = urlsplit(location)
    page = expect(visitor.get(parts.path, "confirmation"), 200)
    found = REGISTRATION.search(page.text)
    if found is None:
        raise Unexpected("no registration on the confirmation")
    return found[2]


def expect(answer: Answer, status: int) -> Answer:
    if answer.status != status:
        raise Unexpected(f"{answer.status} instead of {status}: {wrong_fields(answer)}")
    return answer


def wrong_fields(answer: Answer) -> str:
    return "; ".join(re.findall(r'data-error-for="([^"]+)"', answer.text)) or answer.text[:300]
