"""The words of `impermanence watch`: what is typed, and a line for each kind of news."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from impermanenced.cli.commands import watch
from impermanenced.cli.output import Style
from impermanenced.cli.parse import parse
from impermanenced.document.news import Announcement, Holds, Overflow, Reached, Sum, Undeclared
from impermanenced.errors import UsageError
from impermanenced.keep.state import Reason
from impermanenced.losses import LossClass
from impermanenced.model import Writer

from .reports import NOW, PLAIN

AT = 1_763_889_247.0  # 2025-11-23 09:14:07 UTC
WRITER = Writer("sonarr.service", b"/usr/bin/sonarr", b"sonarr", 812, 977, AT, AT)
ONE = Undeclared(AT, b"/etc/key", "created", LossClass.SECRET, 411, 1, WRITER)


def test_what_is_typed() -> None:
    assert parse(["watch"]).options.lines == 10
    assert parse(["watch", "-n", "0", "--json"]).options.lines == 0
    assert parse(["-n", "3", "watch"]).options.lines == 3
    assert parse(["watch", "--lines=all"]).options.lines is None
    for wrong in ("-1", "1.5", "", "many", "٣", "9" * 10):
        with pytest.raises(UsageError, match="not a number of lines"):
            parse(["watch", f"--lines={wrong}"])
    for words in (["/etc"], ["--notify", "--json"], ["--notify", "-n", "0"]):
        with pytest.raises(UsageError):
            parse(["watch", *words])
    assert parse(["watch", "--notify"]).options.notify


@pytest.mark.parametrize(
    ("what", "shown"),
    [
        (ONE, "secret         /etc/key  created, 411 B  sonarr.service"),
        (replace(ONE, writer=None), "secret         /etc/key  created, 411 B"),
        (replace(ONE, change="metadata"), "secret         /etc/key  changed, 411 B  sonarr.service"),
        (replace(ONE, count=1200), "secret         /etc/key  1,200 paths created, 411 B  sonarr.service"),
        (replace(ONE, path=b"/a\x1b[31m"), r"secret         /a\x1b[31m  created, 411 B  sonarr.service"),
        (Sum(AT, b"/var", 300, 30, boot=False), "               /var  30 paths more, 300 B"),
        (Sum(AT, b"/", 1, 1, boot=True), "               /  1 path by the boot itself, 1 B"),
        (
            Reached(AT, "warning", 18_000, 2),
            "               warning: what is undeclared has come to 17.6 KiB in 2 paths",
        ),
        (
            Holds(AT, b"/etc/\x1b", Reason.LINK_REPLACED, "a file is where the link belongs"),
            r"               /etc/\x1b  declaration inconsistent: a file is where the link belongs",
        ),
        (
            Holds(AT, b"/var/log", Reason.MOUNTED, "mounted from /persist/var/log"),
            "               /var/log  holds again: mounted from /persist/var/log",
        ),
        (
            Overflow(AT, 2),
            "               the kernel dropped events, 2 times by now: "
            "of some files it is not known who wrote them",
        ),
    ],
)
def test_a_line_of_each_kind(what: Announcement, shown: str) -> None:
    assert watch.line(what, NOW, PLAIN) == f"09:14:07  {shown}"


def test_colour_is_for_what_hurts_most() -> None:
    colour = Style(color=True)
    assert "\x1b[1msecret" in watch.line(ONE, NOW, colour)
    assert "\x1b" not in watch.line(replace(ONE, loss=LossClass.LOG), NOW, colour)


def test_without_the_libraries_of_the_bus_it_names_them() -> None:
    script = "import sys; sys.modules['gi'] = None; "
    script += "from impermanenced.cli.main import command; sys.exit(command())"
    argv = [sys.executable, "-c", script, "watch"]
    result = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "impermanence: the libraries of the bus are missing\n"
        "hint: apt-get install python3-gi python3-pydbus\n"
    )
