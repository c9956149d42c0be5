"""How a boot ended, asked of what a real systemd-journald has written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from impermanenced.boots.journal import LastEntries

from ..conftest import sh

JOURNALD = Path("/lib/systemd/systemd-journald")
ID = "3f2a0000-0000-4000-8000-00000000012"
SHUTDOWN = "MESSAGE_ID=98268866d1d54a499c4e98921d93bc40"
FLUSH = "MESSAGE_ID=de5b426a63be47a7b6ac3eaac82e2f6f\nUNIT=systemd-journal-flush.service"
STOP = "MESSAGE_ID=d93fb3c9c24d451a97cea615ce59c00b"

# One boot: a journal of its own under another boot id, some entries, then an end.
BOOT = """
import glob, os, shutil, signal, socket, subprocess, sys, threading
boot_id, end, uid, target, *entries = sys.argv[1:]
subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run"], check=True)
os.makedirs("/run/systemd/journal")
open("/run/boot-id", "w").write(boot_id + "\\n")
subprocess.run(["mount", "--bind", "/run/boot-id", "/proc/sys/kernel/random/boot_id"], check=True)
journald = subprocess.Popen(["/lib/systemd/systemd-journald"])
pause, journal = threading.Event(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
# It opens one after the other, and journalctl --sync wants the second.
for end_of_it, name in ((journal, "socket"), (socket.socket(socket.AF_UNIX), "io.systemd.journal")):
    while True:
        try:
            end_of_it.connect(f"/run/systemd/journal/{name}")
            break
        except OSError:
            assert journald.poll() is None
            pause.wait(0.01)
if uid != "0" and os.fork() == 0:
    os.setuid(int(uid))
    for entry in entries:
        journal.send(entry.encode() + b"\\n")
    os._exit(0)
if uid != "0":
    os.wait()
else:
    for entry in entries:
        journal.send(entry.encode() + b"\\n")
subprocess.run(["journalctl", "--sync"], check=True)
journald.send_signal(signal.SIGTERM if end == "stop" else signal.SIGKILL)
journald.wait()
for number, file in enumerate(glob.glob("/run/log/journal/*/*.journal")):
    shutil.copy(file, f"{target}/{boot_id}-{number}.journal")
"""


def a_boot(directory: Path, number: int, end: str, *entries: str, uid: int = 0) -> str:
    """Its id; the first process of the namespace is what sends the entries."""
    if os.geteuid() != 0:
        pytest.skip("needs root for a namespace: run make test as root")
    if not JOURNALD.exists():
        pytest.skip("needs systemd-journald: apt-get install systemd")
    wrap = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--propagation", "private"]
    boot_id = f"{ID}{number}"
    script = ["/usr/bin/python3", "-I", "-c", BOOT, boot_id, end, str(uid), os.fspath(directory)]
    sh(*wrap, *script, *entries, timeout=60)
    return boot_id


def test_a_journal_that_ended_in_order_is_a_shutdown(tmp_path: Path) -> None:
    stopped = a_boot(tmp_path, 1, "stop", "MESSAGE=hello")
    cut = a_boot(tmp_path, 2, "cut", "MESSAGE=hello")
    found = LastEntries(os.fspath(tmp_path))
    first, second = found.of(stopped), found.of(cut)
    assert first is not None and first[1] is True
    assert second is not None and second[1] is False
    assert first[0] < second[0]
    assert found.of(f"{ID}9") is None


@pytest.mark.parametrize("entry", [f"MESSAGE=The system will reboot now!\n{SHUTDOWN}", f"MESSAGE=x\n{FLUSH}"])
def test_a_journal_that_had_to_leave_its_disk_before_the_end(tmp_path: Path, entry: str) -> None:
    # /var/log is a mount of the persist volume: the last words of the journal are lost with /run.
    boot_id = a_boot(tmp_path, 1, "cut", entry, "MESSAGE=Unmounting /var/log")
    found = LastEntries(os.fspath(tmp_path)).of(boot_id)
    assert found is not None and found[1] is True


@pytest.mark.parametrize("entry", [SHUTDOWN, FLUSH, STOP])
def test_no_user_can_make_a_power_cut_look_like_a_shutdown(tmp_path: Path, entry: str) -> None:
    boot_id = a_boot(tmp_path, 1, "cut", f"MESSAGE=x\n{entry}\n_PID=1\n_UID=0\n_TRANSPORT=driver", uid=65534)
    found = LastEntries(os.fspath(tmp_path)).of(boot_id)
    assert found is not None and found[1] is False
