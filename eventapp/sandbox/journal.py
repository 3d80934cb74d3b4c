"""An append-only file of JSON lines. A line that reached the kernel survives kill -9; a torn last one is dropped."""
import json
import os
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path


class Journal:
    """Without a path it forgets, which is what most tests want."""

    def __init__(self, path: Path | None = None):
        self.path, self.file = path, None

    def read(self):
        if self.path is None or not self.path.exists():
            return
        with open(self.path, "rb") as lines:
            for line in lines:
                try:
                    yield json.loads(line)
                except ValueError:  # the line that was being written when the process was killed
                    continue

    def rewrite(self, lines: Iterable[dict]) -> None:
        """Begin again with these lines only, and keep the file open for more."""
        if self.path is None:
            return
        if self.file:
            self.file.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        with open(new, "w", encoding="utf-8") as out:
            out.writelines(json.dumps(line) + "\n" for line in lines)
        os.replace(new, self.path)
        self.file = open(self.path, "ab", buffering=0)  # noqa: SIM115 - stays open as long as the sandbox

    def append(self, **records) -> None:
        if self.file:
            self.file.write(json.dumps(records).encode() + b"\n")

    def close(self) -> None:
        if self.file:
            self.file.close()
            self.file = None


def made(kind, values: dict):
    """A dataclass out of a line that an older or newer version may have written."""
    names = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in values.items() if name in names})
