"""System packages: installed where that is allowed, otherwise one line to type; the machine's commands are fakes."""
import shutil
import subprocess

import pytest

from eventapp.config import ROOT

NEEDED = ("bash", "cat", "env", "grep", "ls", "mktemp", "rm", "tail")
INSTALL = "install -y --no-install-recommends python3-venv"


@pytest.fixture
def machine(tmp_path):
    """`run(uid, sudo, apt)`, with fakes of `id`, `sudo` and `apt-get`: exit code, words, what apt-get was asked for."""
    commands, asked = tmp_path / "bin", tmp_path / "asked"
    commands.mkdir()
    for name in NEEDED:
        (commands / name).symlink_to(shutil.which(name))

    def command(name, script):
        (commands / name).write_text(f"#!/bin/bash\n{script}\n")
        (commands / name).chmod(0o755)

    def run(uid, sudo=False, apt="exit 0"):
        command("id", f"echo {uid}")
        command("sudo", 'shift; exec "$@"' if sudo else "exit 1")
        command("apt-get", f'echo "${{@:4}}" >>{asked}; {apt}')
        done = subprocess.run([ROOT / ".ci" / "packages", "venv"], env={"PATH": str(commands), "HOME": str(tmp_path)},
                              text=True, capture_output=True)
        return done.returncode, done.stdout, asked.read_text().splitlines() if asked.exists() else []

    command("true", "exit 0")
    return run


def test_as_root_it_is_installed(machine):
    assert machine(0) == (0, "Installing python3-venv …\n", [INSTALL])


def test_with_sudo_that_asks_nothing_it_is_installed(machine):
    assert machine(1000, sudo=True)[::2] == (0, [INSTALL])


def test_otherwise_the_line_to_type_is_printed_and_nothing_is_tried(machine):
    assert machine(1000) == (1, f"Missing system packages. Please type:  sudo apt-get {INSTALL}\n", [])


def test_lists_that_are_empty_or_old_are_fetched_and_it_is_tried_again(machine):
    once = '[ "${@:4:1}" = update ] && : >$HOME/updated; [ -e $HOME/updated ]'
    code, said, asked = machine(0, apt=once)
    assert (code, asked) == (0, [INSTALL, "update", INSTALL]), said


def test_a_failure_shows_its_reason_and_the_line(machine):
    code, said, _ = machine(0, apt="echo no network; exit 100")
    assert (code, said.splitlines()[1:]) == (1, [
        "no network", f"That did not work. Please type:  sudo apt-get {INSTALL}"])
