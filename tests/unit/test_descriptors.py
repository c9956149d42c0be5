"""What is opened is closed, whatever is raised on the way."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

import pytest

from impermanenced.boots.old_roots import open_below
from impermanenced.daemon.channel import Channel
from impermanenced.model import Volume
from impermanenced.report.appraisal.volume_facts import VolumeFacts

VOLUME = Volume("root", b"/", b"/", b"root", 256, b"root-blank", 257)
NOTHING: Any = None


def below() -> None:
    open_below(0, b"a\0b")


def facts() -> None:
    VolumeFacts(VOLUME, b"/", b"/no/such/blank", None, NOTHING, NOTHING, NOTHING, "")


def wrong_kind() -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, there:
        Channel(here).send("a value")
        Channel(there).receive_file()


def unread() -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, there:
        Channel(here).send("a value")
        del [Channel(there).receive()][:]
        raise LookupError


@pytest.mark.parametrize("fails", [below, facts, wrong_kind, unread])
def test_what_fails_leaves_nothing_open(fails: Callable[[], None]) -> None:
    def attempt() -> None:
        with pytest.raises((ValueError, OSError, EOFError, LookupError)):
            fails()

    attempt()
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(50):
        attempt()
    assert sorted(os.listdir("/proc/self/fd")) == before
