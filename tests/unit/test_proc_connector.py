from __future__ import annotations

import select
import subprocess

import pytest

from impermanenced.kernel import proc_connector


def test_an_exec_is_heard() -> None:
    connector = proc_connector.listen()
    try:
        child = subprocess.Popen(["true"])
        child.wait()
        heard: list[int] = []
        while child.pid not in heard:
            if not select.select([connector], [], [], 5)[0]:
                pytest.skip("needs the proc connector: root, in the initial network and PID namespaces")
            heard += proc_connector.pids(connector)
        assert not set(heard) & {0}
    finally:
        proc_connector.close(connector)


def test_other_messages_do_not_wake_anybody() -> None:
    """Forks and exits are many times more than execs."""
    connector = proc_connector.listen()
    try:
        subprocess.run(["sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do (:); done"], check=True)
        what = set()
        while select.select([connector], [], [], 0)[0]:
            message = connector.recv(4096)
            what.add(int.from_bytes(message[36:40], "little"))
        assert what <= {proc_connector.PROC_EVENT_EXEC}
    finally:
        proc_connector.close(connector)
