"""Values in a person's words."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impermanenced.cli import wording
from impermanenced.model import Writer
from impermanenced.text import size_to_text

from .reports import NOW, writer


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1_048_575, "1.0 MiB"),
        (1_048_576, "1.0 MiB"),
        (2**63, "8.0 EiB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert size_to_text(count) == text


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (-1e9, "in the future"),
        (-5, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (3600, "1 h ago"),
        (86_400, "1 day ago"),
        (86_400 * 400, "400 days ago"),
        (NOW, "55 years ago"),
    ],
)
def test_ages(passed: float, text: str) -> None:
    assert wording.age(NOW - passed, NOW) == text


@hypothesis.settings(deadline=None)
@given(st.text(), st.integers(1, 50))
def test_shortened_text_fits(text: str, columns: int) -> None:
    short = wording.shorten(text, columns)
    assert wording.width(short) <= columns
    assert short == text or "…" in short


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (writer("cups.service"), "cups.service"),
        (writer("session-3.scope", "/usr/bin/nvim", 0), "nvim (root)"),
        (writer("user@1000.service", "/usr/bin/fish", 4_000_000), "fish (4000000)"),
        (writer("sshd.service")._replace(kind="system"), "sshd.service"),
        (writer("a.service")._replace(kind="user", uid=4_000_000), "user:a.service (4000000)"),
        (writer("x.service")._replace(kind="container"), "container:x.service"),
        (writer("", "", 0), "root"),
        (writer("", "/bin/x", None), "x"),
        (None, ""),
    ],
)
def test_writers(found: Writer | None, text: str) -> None:
    assert wording.writer(found) == text


@pytest.mark.parametrize(
    ("exe", "comm", "shown"),
    [
        ("/usr/bin/systemd-hostnamed", "systemd-hostnam", "systemd-hostnamed"),
        ("/usr/bin/dash", "photo-import", "photo-import"),
        ("/usr/bin/python3.11", "sonarr", "sonarr"),
        ("", "gone", "gone"),
        ("/usr/bin/cp", "", "cp"),
        ("", "", ""),
    ],
)
def test_a_program_is_called_what_ps_calls_it(exe: str, comm: str, shown: str) -> None:
    found = Writer("", exe.encode(), comm.encode(), 1, None, 0, 0)
    assert wording.program_of(found) == shown
