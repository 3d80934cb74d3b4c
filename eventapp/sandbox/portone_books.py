"""PortOne's books."""


class State:
    """Wired like the other parts: `restore` a line of the journal, `dump` them all, `sweep` with the clock, `clear`."""

    def __init__(self, sandbox):
        self.sandbox = sandbox

    def restore(self, line: dict) -> None:
        """Lines of ours have names that begin with portone_."""

    def dump(self):
        yield from ()

    def sweep(self) -> None:
        """Let what is overdue end."""

    def clear(self) -> None:
        """Forget everything but accounts and addresses."""
