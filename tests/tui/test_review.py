"""The review, by keyboard alone in 80 columns and 24 lines, with textual's pilot and in a real terminal."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from impermanenced.cli.review import plan
from impermanenced.cli.review.plan import Act, Review
from impermanenced.losses import LossClass
from impermanenced.model import Change, Difference, Entry, FileType, Verdict, Writer
from tests.btrfs.boots.conftest import machine  # noqa: F401
from tests.btrfs.boots.lives import live, writes
from tests.btrfs.boots.machine import Machine

SIZE = (80, 24)
WRITER = Writer("app.service", b"/usr/bin/app", b"app", 7, 1000, 1.0, 2.0, "system")


def entry(path: bytes, *, loss: LossClass = LossClass.UNKNOWN, score: int = 40) -> Entry:
    difference = Difference(path, FileType.FILE, Change.CREATED, "+......", 300, 5, 0, 0, 0o644, 0)
    return Entry("root", difference, Verdict.CRUD, "nothing declares it", loss, WRITER, score)


@pytest.fixture
def review(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Review:
    monkeypatch.setattr(plan, "COMMANDS", {"persist": "", "ignore": ""})
    (tmp_path / "srv").mkdir()
    for name in ("one", "two"):
        (tmp_path / "srv" / name).write_text(f"content of {name} \x1b[31m [bold]\n")
    (tmp_path / "key").write_bytes(b"\0\1\2")
    entries = [
        entry(b"/key", loss=LossClass.SECRET, score=95),
        entry(b"/srv/one"),
        entry(b"/srv/two"),
        entry(b"/srv/[red]\x1b\xff"),
    ]
    root = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    return Review("4 paths would be lost", plan.items(entries), root, 0)


def drive(review: Review, *keys: str, look: Callable[[Any], None] = lambda app: None) -> Any:
    """What the app returns after these keys; `look` sees it before it is asked to end."""
    app = importlib.import_module("impermanenced.cli.review.app").ReviewApp(review)

    async def run() -> None:
        async with app.run_test(size=SIZE) as pilot:
            await pilot.pause()
            for key in keys:
                await pilot.press(key)
                await pilot.pause()
            look(app)

    asyncio.run(run())
    return app.return_value


def screen_of(app: Any) -> str:
    """The characters on the screen."""
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in lines)


def test_the_worst_comes_first_with_its_preview(review: Review) -> None:
    seen: list[str] = []
    assert drive(review, look=lambda app: seen.append(screen_of(app))) is None
    lines = seen[0].splitlines()
    assert len(lines) == SIZE[1] and max(map(len, lines)) <= SIZE[0]
    assert lines[0].strip() == "4 paths would be lost"
    assert "!! secret" in lines[1] and "/key" in lines[1]
    assert "nothing declares it" in seen[0] and "00 01 02" in seen[0]
    assert "persist" in lines[-1] and "plan" in lines[-1]


def test_decisions_become_a_plan_that_is_shown_and_agreed_to(review: Review) -> None:
    seen: list[str] = []
    keys = ("p", "down", "space", "down", "i", "a")
    assert drive(review, *keys, look=lambda app: seen.append(screen_of(app))) is None
    assert "These commands will be run:" in seen[0] and "impermanence persist /key" in seen[0]
    commands = drive(review, "a", "y")
    assert [command[:1] for command in commands] == [["persist"], ["ignore"]]
    assert commands[0] == ["persist", "/key"]


def test_nothing_is_done_without_a_word(review: Review) -> None:
    assert drive(review, "p", "q") is None
    assert drive(review, "a", "escape", "q") is None
    assert drive(review, "p", "a", "y") is None  # the second `p` has taken it back


def test_a_thing_stands_for_all_its_paths(review: Review) -> None:
    (command,) = drive(review, "down", "x", "a", "y")
    assert command[:3] == ["restore", "--blank", "--force"]
    assert command[3:] == ["/srv/[red]\x1b\udcff", "/srv/one", "/srv/two"]


def test_names_and_content_are_no_markup_and_no_terminal_codes(review: Review) -> None:
    seen: list[str] = []
    drive(review, "down", "space", "down", look=lambda app: seen.append(screen_of(app)))
    drive(review, "down", "space", "down", "down", look=lambda app: seen.append(screen_of(app)))
    assert "/srv/[red]\\x1b\\xff" in seen[0]
    assert "content of one \\x1b[31m [bold]" in seen[1]
    assert "\x1b" not in seen[0] + seen[1]


def test_of_a_past_boot_it_ends_with_a_review(review: Review) -> None:
    past = dataclasses.replace(review, boot=7, decided={})
    assert Act.PERSIST not in past.acts()
    assert drive(past, "p", "x", "r", "a", "y") == [["restore", "-b", "7", "/key"], ["reviewed", "7"]]


def test_what_lies_below_a_decision_goes_with_it(review: Review) -> None:
    review.decided = {b"/srv": Act.PERSIST, b"/srv/one": Act.DELETE, b"/key": Act.DECLARE}
    assert review.commands() == [["persist", "/srv"], ["suggest", "/key"]]
    assert plan.shown(["persist", "/a b\x1b"]) == "impermanence persist '/a b\\x1b'"


# As a command


def test_it_needs_a_terminal(machine: Machine) -> None:  # noqa: F811
    live(machine, [writes()])
    assert "review needs a terminal" in machine.refused(2, "review")


def test_it_needs_textual(machine: Machine) -> None:  # noqa: F811
    live(machine, [writes(a="x"), writes()])
    argv = terminal_argv(machine, "review", "-b", "1")
    terminal = ["script", "-qec", shlex.join(argv), "/dev/null"]
    said = subprocess.run(terminal, capture_output=True, text=True, check=False, timeout=60).stdout
    assert "review needs textual, which is not installed" in said


def terminal_argv(machine: Machine, *argv: str) -> list[str]:  # noqa: F811
    script = "import sys; from impermanenced.cli.main import command; sys.exit(command())"
    bus = f"DBUS_SYSTEM_BUS_ADDRESS=unix:path={machine.config.parent}/no-bus"
    return ["env", bus, sys.executable, "-c", script, "--config", os.fspath(machine.config), *argv]


def test_in_a_real_terminal(machine: Machine, tmp_path: Path) -> None:  # noqa: F811
    """tmux is the terminal; a loss is restored by keyboard alone, and the boot is reviewed then."""
    if subprocess.run(["which", "tmux"], capture_output=True, check=False).returncode:
        pytest.skip("needs tmux: apt-get install tmux")
    live(machine, [writes(precious="one\n"), writes()])
    tui = Path(__file__).parents[2] / ".venv/tui"
    command = shlex.join(["env", f"PYTHONPATH={tui}", *terminal_argv(machine, "review", "-b", "1")])
    tmux = ["tmux", "-S", os.fspath(tmp_path / "tmux"), "-f", "/dev/null"]

    def screen() -> str:
        return subprocess.run(
            [*tmux, "capture-pane", "-p"], capture_output=True, text=True, check=False
        ).stdout

    def wait(words: str) -> str:
        end = time.monotonic() + 60
        while words not in (seen := screen()):
            assert time.monotonic() < end, seen
        return seen

    subprocess.run(
        [*tmux, "new-session", "-d", "-x", "80", "-y", "24", f"{command}; echo ended with $?; cat"],
        check=True,
    )
    try:
        wait("/etc/precious")
        for key, words in (("r", "[restore]"), ("a", "These commands will be run"), ("y", "ended with 0")):
            subprocess.run([*tmux, "send-keys", key], check=True)
            seen = wait(words)
        assert "$ impermanence restore -b 1 /etc/precious" in seen
        assert (machine.root / "etc/precious").read_text() == "one\n"
        assert (machine.state / "boots/1.reviewed").exists()
    finally:
        subprocess.run([*tmux, "kill-server"], check=False, capture_output=True)
