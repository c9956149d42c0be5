from __future__ import annotations

import select
import subprocess

import pytest

from impermanenced.kernel import procevents


def test_an_exec_is_heard() -> None:
    connector = procevents.listen()
    try:
        child = subprocess.Popen(["true"])
        child.wait()
        heard: list[int] = []
        while child.pid not in heard:
            if not select.select([connector], [], [], 5)[0]:
                pytest.skip("needs the proc connector: root, in the initial network and PID namespaces")
            heard += procevents.pids(connector)
        assert not set(heard) & {0}
    finally:
        procevents.close(connector)


def test_other_messages_do_not_wake_anybody() -> None:
    """Forks and exits are many times more than execs."""
    connector = procevents.listen()
    try:
        subprocess.run(["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do (:); done"], check=True)
        what = set()
        while select.select([connector], [], [], 0)[0]:
            message = connector.recv(4096)
            what.add(int.from_bytes(message[36:40], "little"))
        assert what <= {procevents.PROC_EVENT_EXEC}
    finally:
        procevents.close(connector)
