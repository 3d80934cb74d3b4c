"""A ticket as PDF: alone, and a hundred in one document. Measured where it is made, in the renderer's parent."""
import time

from eventapp.tickets import pdf
from tests import specimens
from tests.bench.figures import Figure, quantile


def run(house, short: bool) -> list[Figure]:
    one = specimens.ticket("ko")
    for _ in range(3):
        pdf.ticket(one)
    alone = [took(pdf.ticket, one) for _ in range(10 if short else 50)]
    batch = [specimens.ticket("ko", which) for which in range(100)]
    together = min(took(pdf.tickets, batch) for _ in range(1 if short else 3))
    pdf._child.stop()
    return [Figure("ticket PDF, warm, median", quantile(alone, .5) * 1e3, "ms", 50, peer=56),
            Figure("  p95", quantile(alone, .95) * 1e3, "ms"),
            Figure("  in a batch of 100, each", together / len(batch) * 1e3, "ms", 20)]


def took(function, argument) -> float:
    began = time.perf_counter()
    function(argument)
    return time.perf_counter() - began
