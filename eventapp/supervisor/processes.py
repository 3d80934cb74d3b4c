"""Child processes: kept running, never outliving the one that started them, their words in files of a bounded size."""
import ctypes
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

MARK = "SUPERVISED_AS"  # inherited by everything that a child starts itself, so that nothing is left behind
LONGEST_LOG = 10_000_000
LOGS_KEPT = 3
SHORT_LIFE = 60  # seconds; whoever lives longer is taken for healthy again
LONGEST_PAUSE = 30

_libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


def die_with_parent(number=signal.SIGTERM):
    """A `preexec_fn`: the kernel sends this signal when the parent ends, however it ends.

    It belongs to the thread that starts the child, so children are started from the main thread.
    """
    parent = os.getpid()

    def in_the_child():
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_DFL)  # a shell's `&` makes its children deaf to SIGINT
        _libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
        if os.getppid() != parent:  # it ended before we could ask
            os._exit(1)

    return in_the_child


def marked(mark: str) -> list[int]:
    """The processes that carry this mark or one that begins with it and a colon."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for entry in (process / "environ").read_bytes().split(b"\0"):
                name, _, value = os.fsdecode(entry).partition("=")
                if name == MARK and f"{value}:".startswith(f"{mark}:"):
                    found.append(int(process.name))
    return [pid for pid in found if pid != os.getpid()]


def end_marked(mark: str, *numbers: int, patience=5.0):
    """Sends the signals one after another, each with time to take effect, until nobody is left."""
    for number in numbers:
        until, asked = time.monotonic() + patience, set()
        while left := set(marked(mark)):
            for pid in left - asked:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            if time.monotonic() > until:
                break
            asked |= left
            time.sleep(0.02)
        else:
            return


class Child:
    """One command, started again whenever it ends, with growing pauses when it keeps falling."""

    def __init__(self, name, command, *, environment, log: Path, mark: str, stop_with=signal.SIGTERM, cwd=None):
        self.name, self.command, self.log, self.stop_with, self.cwd = name, command, Path(log), stop_with, cwd
        self.mark = f"{mark}:{name}"
        self.environment = environment | {MARK: self.mark}
        self.process = None
        self.falls = 0
        self.begun = self.due = 0.0

    def start(self):
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {self.command}"], cwd=self.cwd, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True, preexec_fn=die_with_parent(self.stop_with))
        self.begun = time.monotonic()

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def keep(self, say):
        """Called often: notices a fall, clears away what is left of it, starts again when the pause is over."""
        if self.running:
            if time.monotonic() - self.begun > SHORT_LIFE:
                self.falls = 0
        elif self.process is not None:
            self.falls += 1
            self.due = time.monotonic() + min(0.2 * 2 ** (self.falls - 1), LONGEST_PAUSE)
            say(f"{self.name} has ended ({_ending(self.process.returncode)}) and is started again"
                + (f"; {self.falls} times in a row now, read {self.log}" if self.falls > 2 else ""))
            self.process = None
            end_marked(self.mark, signal.SIGKILL)
        elif time.monotonic() >= self.due:
            self.start()

    def ask_to_stop(self):
        if self.running:
            self.process.send_signal(self.stop_with)

    def stop(self, patience=20.0):
        """Waits for a child that was asked to stop, then makes sure of it."""
        with suppress(subprocess.TimeoutExpired):
            if self.process is not None:
                self.process.wait(patience)
        end_marked(self.mark, signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
            self.process = None


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"code {code}"


def rotate(log: Path, longest=LONGEST_LOG):
    """Copied and emptied: writers append, so they may go on in the same file."""
    if not log.exists() or log.stat().st_size < longest:
        return
    for number in range(LOGS_KEPT - 1, 0, -1):
        with suppress(FileNotFoundError):
            os.replace(f"{log}.{number}", f"{log}.{number + 1}")
    shutil.copyfile(log, f"{log}.1")
    os.truncate(log, 0)


def last_words(log: Path, lines=15) -> str:
    try:
        return "\n".join(f"  {line}" for line in log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
