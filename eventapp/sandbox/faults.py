"""What the gateway does wrong on purpose, and how often.

Before anything is done: `drop_before`, `hang:SECONDS`, `409`, `429`, `500`, `html`, `code:CODE`.
After it has been done: `timeout_after_commit[:SECONDS]`, `500_after_commit`, `html_after_commit`, `truncated`,
`wrong_amount`. And `delay:SECONDS`, after which all goes well.

PortOne's own: `pg:CODE` (a refusal of the gateway behind it), `requested` (a cancellation that is decided later), `live`,
`wrong_store`, `wrong_channel`, `wrong_currency`, `unknown_status`, `unknown_method` (an answer that says so).
"""
import re
import threading
from dataclasses import asdict, dataclass

OPERATIONS = re.compile(r"confirm|fetch|cancel|issue|transactions|settlements|receipt|billing"
                        r"|(portone|stripe)\.[a-z_]+|\*")
KNOWN = re.compile(r"drop_before|409|429|500|html|500_after_commit|html_after_commit|truncated|wrong_[a-z]+|unknown_[a-z]+"
                   r"|live|requested|pg:[A-Z_0-9]{2,80}|(hang|delay):[0-9.]+|timeout_after_commit(:[0-9.]+)?|code:[A-Za-z_]{3,80}")


@dataclass
class Fault:
    """`times` 0 means always; an `order_id` limits it to one order."""

    op: str
    fault: str
    times: int = 1
    order_id: str = ""

    @property
    def name(self) -> str:
        return self.fault.partition(":")[0]

    @property
    def argument(self) -> str:
        return self.fault.partition(":")[2]


class Faults:
    def __init__(self):
        self.lock = threading.Lock()
        self.planned: list[Fault] = []

    def add(self, op: str, fault: str, times: int = 1, order_id: str = "") -> None:
        if not OPERATIONS.fullmatch(op) or not KNOWN.fullmatch(fault) or times < 0:
            raise ValueError(f"no such fault: {op} {fault}")
        with self.lock:
            self.planned.append(Fault(op, fault, times, order_id))

    def take(self, op: str, order_id: str) -> Fault | None:
        """The first that applies, used up once."""
        if not self.planned:
            return None
        with self.lock:
            for fault in self.planned:
                if fault.op in (op, "*") and fault.order_id in ("", order_id):
                    if fault.times == 1:
                        self.planned.remove(fault)
                    fault.times -= fault.times > 1
                    return fault
        return None

    def clear(self) -> None:
        with self.lock:
            self.planned.clear()

    def listed(self) -> list[dict]:
        return [asdict(fault) for fault in self.planned]
