"""A page to look at."""
from collections.abc import Callable
from dataclasses import dataclass

OWNER, STAFF, PARTICIPANT, OPERATOR = ("owner@seoul-ubf.example", "door@seoul-ubf.example", "participant@seoul-ubf.example",
                                       "operator@example.com")
OWNERS = {"ko": OWNER, "en": "dana@saebom.example"}
"""Each with an account in their own language: what a page fetches afterwards follows the account."""
WIDTHS = {390: 844, 820: 1180, 1280: 900}
EVERY = [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")]
LOOKS = {"ko": [*EVERY, (820, "light")], "en": EVERY}
FEW_LOOKS = {"ko": [(390, "light"), (1280, "light")], "en": [(1280, "dark")]}
STAFF_LOOKS = {"ko": [(390, "light"), (820, "light"), (1280, "dark")], "en": [(390, "dark"), (1280, "light")]}


@dataclass(frozen=True)
class Scene:
    """A page: how it is reached, who looks, and what they do there before it is looked at."""

    name: str
    path: str
    who: str = ""
    """Signed in as."""
    order: str = ""
    """The browser has made this one of the stage's orders."""
    act: Callable | None = None
    scripts: bool = True
    status: int = 200
    fold: bool = False
    """Only what is seen without scrolling."""
    repeats: bool = False
    """The same over and over, or nearly what another shows: one look of axe will do, or none for staff."""
    staff: bool = False
    """A page of the staff: photographed in some looks of each language, read by axe in one."""
    few: bool = False
    """One of a long series of the same page."""

    def looks(self, locale: str) -> list[tuple[int, str]]:
        """(width, theme) of its pictures."""
        return FEW_LOOKS[locale] if self.few else STAFF_LOOKS[locale] if self.staff else LOOKS[locale]
