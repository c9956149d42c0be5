from __future__ import annotations

import os
import select
import subprocess
import sys

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
            heard += [pid for pid, uid in proc_connector.changes(connector) if uid is None]
        assert not set(heard) & {0}
    finally:
        proc_connector.close(connector)


def test_a_change_of_the_uid_is_heard() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user: run make test as root")
    connector = proc_connector.listen()
    try:
        child = subprocess.Popen([sys.executable, "-c", "import os; os.setresuid(65534, 65534, 65534)"])
        child.wait()
        heard: list[proc_connector.Change] = []
        while proc_connector.Change(child.pid, 65534) not in heard:
            if not select.select([connector], [], [], 5)[0]:
                pytest.skip("needs the proc connector: root, in the initial network and PID namespaces")
            heard += proc_connector.changes(connector)
        mine = [uid for pid, uid in heard if pid == child.pid]
        assert mine == [None, 65534], "after its exec"
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
        assert what <= {proc_connector.PROC_EVENT_EXEC, proc_connector.PROC_EVENT_UID}
    finally:
        proc_connector.close(connector)
