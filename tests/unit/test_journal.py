from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from impermanenced.bus.introspection import XML
from impermanenced.system import journal

SYSTEMD = Path(__file__).parents[2] / "systemd"

# A journal that only listens, in a mount namespace of its own: the C library's address of it is fixed.
LISTEN = """
import json, os, socket, sys
os.makedirs("/run/systemd/journal", exist_ok=True)
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind("/run/systemd/journal/socket")
listener.settimeout(60)
stderr = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{stderr.st_dev}:{stderr.st_ino}"
from impermanenced.system import journal, logger
journal.write("two\\nlines", 5, {"IMPERMANENCE_PATH_RAW": b"/a\\nPRIORITY=0\\xff"})
logger.get().warning("words", message_id="ab" * 16, path=b"/x\\ny", count=3)
sys.stdout.write(json.dumps([listener.recv(65536).hex() for _ in range(2)]))
"""


def read_native(datagram: bytes) -> list[tuple[str, bytes]]:
    """systemd's native journal protocol: FIELD=value lines, or FIELD, a length and bytes."""
    fields = []
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if equals:
            datagram = rest
        else:
            size = int.from_bytes(rest[:8], "little")
            value, datagram = rest[8 : 8 + size], rest[9 + size :]
        fields.append((name.decode(), value))
    return fields


def test_what_the_journal_gets() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root for a mount namespace: run make test as root")
    command = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$@"', "-"]
    result = subprocess.run([*command, sys.executable, "-c", LISTEN], capture_output=True, check=False)
    assert result.returncode == 0, result.stderr
    first, second = (dict(read_native(bytes.fromhex(one))) for one in json.loads(result.stdout))
    assert first["MESSAGE"] == b"two\nlines"
    assert first["IMPERMANENCE_PATH_RAW"] == b"/a\nPRIORITY=0\xff"
    assert first["PRIORITY"] == b"5"
    assert first["SYSLOG_IDENTIFIER"] == b"impermanenced"
    assert second["MESSAGE"] == rb"words path=/x\x0ay count=3"
    assert second["MESSAGE_ID"] == b"ab" * 16
    assert second["PRIORITY"] == b"4"
    assert second["IMPERMANENCE_PATH"] == rb"/x\x0ay"


def test_without_a_journal_stderr_gets_the_words(capsys: pytest.CaptureFixture[str]) -> None:
    journal.write("said", 5, {"IMPERMANENCE_COUNT": 3})
    assert capsys.readouterr().err == "impermanenced: said\n"


def test_the_catalog_explains_every_message() -> None:
    ours = {value for name, value in vars(journal).items() if name.startswith("MESSAGE_")}
    text = (SYSTEMD / "impermanence.catalog").read_text()
    assert set(re.findall(r"^-- (\w{32})$", text, re.MULTILINE)) == ours
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ours)
    assert "_RAW@" not in text  # the catalog pastes fields as they are


def test_the_catalog_is_one(tmp_path: Path) -> None:
    if not shutil.which("journalctl"):
        pytest.skip("needs journalctl: apt-get install systemd")
    directory = tmp_path / "usr/lib/systemd/catalog"
    directory.mkdir(parents=True)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    shutil.copy(SYSTEMD / "impermanence.catalog", directory)
    subprocess.run(["journalctl", "--update-catalog", f"--root={tmp_path}"], check=True, capture_output=True)
    listed = subprocess.run(
        ["journalctl", "--list-catalog", f"--root={tmp_path}"], check=True, capture_output=True, text=True
    )
    assert journal.MESSAGE_CRUD in listed.stdout


def test_the_introspection_file_is_what_the_daemon_says() -> None:
    assert (SYSTEMD / "dbus/org.impermanence.Manager1.xml").read_text() == XML


def test_the_unit_verifies(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd-analyze: apt-get install systemd")
    unit = (SYSTEMD / "impermanenced.service").read_text()
    for program in ("/usr/lib/impermanence/impermanenced-start", "/usr/bin/impermanenced"):
        unit = unit.replace(program, "/bin/true")  # no package is installed here
    (tmp_path / "impermanenced.service").write_text(unit)
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / "impermanenced.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in result.stderr.splitlines() if "impermanenced.service" in line]
    assert result.returncode == 0 and not said, result.stderr
