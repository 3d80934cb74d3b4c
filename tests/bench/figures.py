"""A figure, what the issue asks of it, and what the strongest open-source peer does on the same machine."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """`hard`: a count that must be right on any machine; a speed never is. `least`: more is better."""

    name: str
    value: float
    unit: str = ""
    target: float | None = None
    least: bool = False
    peer: float | None = None
    hard: bool = False
    note: str = ""

    @property
    def reached(self) -> bool | None:
        if self.target is None:
            return None
        return self.value >= self.target if self.least else self.value <= self.target

    def ratio(self, other: float | None) -> str:
        """How many times better than `other`."""
        if not other or not self.value:
            return ""
        return f"{self.value / other if self.least else other / self.value:.1f}×"


def table(figures: list[Figure]) -> str:
    rows = [("figure", "measured", "target", "ratio", "peer", "ratio", "")]
    for one in figures:
        sign = "≥" if one.least else "≤"
        rows.append((
            one.name, f"{number(one.value)} {one.unit}".strip(), f"{sign} {number(one.target)}" if one.target is not None else "",
            one.ratio(one.target), number(one.peer) if one.peer is not None else "", one.ratio(one.peer),
            {True: "ok", False: "MISSED" if one.hard else "missed", None: ""}[one.reached] + (f"  {one.note}" if one.note else "")))
    widths = [max(len(row[column]) for row in rows) for column in range(7)]
    return "\n".join("  ".join(cell.ljust(width) if column in (0, 6) else cell.rjust(width)
                               for column, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip() for row in rows)


def number(value: float) -> str:
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"


def quantile(values, part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else 0.0
