"""Reports to show: entries made of the few fields that a test is about, at a fixed time."""

from __future__ import annotations

from typing import Any

from impermanenced.cli.output import Style
from impermanenced.losses import LossClass
from impermanenced.model import (
    Change,
    Decision,
    Difference,
    Entry,
    FileType,
    Forecast,
    Report,
    Verdict,
    Volume,
    Writer,
)

NOW = 1_763_900_000.0  # 2025-11-23 12:13:20 UTC
PLAIN = Style(color=False)
WIPES = Forecast(Decision("wiped"))
ROOT = Volume("root", b"/", b"/", b"root", 256, b"root-blank", 257)


def writer(unit: str, exe: str = "/usr/bin/x", uid: int | None = 0, ago: float = 240) -> Writer:
    then = NOW - ago
    return Writer(unit, exe.encode(), exe.rpartition("/")[2].encode(), 812, uid, then, then)


def entry(
    path: str | bytes,
    *,
    type: FileType = FileType.FILE,
    change: Change = Change.CREATED,
    size: int = 0,
    mode: int = 0o644,
    ago: float = 3600,
    volume: str = "root",
    verdict: Verdict = Verdict.CRUD,
    rule: str = "nothing declares it",
    loss: LossClass | None = None,
    writer: Writer | None = None,
    **more: Any,
) -> Entry:
    """`more`: further fields of an Entry."""
    difference = Difference(
        path=path.encode() if isinstance(path, str) else path,
        type=type,
        change=change,
        letters="+......",
        inode=300,
        size=size,
        uid=0,
        gid=0,
        mode=mode,
        mtime=int(NOW - ago) * 10**9,
        subvolume=301 if type is FileType.SUBVOLUME else None,
    )
    return Entry(volume, difference, verdict, rule, None if loss is None else LossClass(loss), writer, **more)


def directory(path: str, **fields: Any) -> Entry:
    return entry(path, type=FileType.DIRECTORY, **fields)


def report(*entries: Entry, **fields: Any) -> Report:
    """`fields`: of the Report; it is complete, nobody watches and the next boot wipes, unless they say
    otherwise.
    """
    usual = {
        "complete": True,
        "watching_since": None,
        "overflows": 0,
        "volumes": (ROOT,),
        "forecast": WIPES,
    }
    return Report(entries=entries, **{**usual, **fields})


BUSY = report(
    entry(
        "/etc/cups/printers.conf",
        change=Change.MODIFIED,
        size=1228,
        writer=writer("cups.service", ago=10_800),
    ),
    entry("/etc/machine-id", verdict=Verdict.PERSISTED, rule="mount point of /dev/vda[/persist/etc] (btrfs)"),
    entry("/etc/motd", change=Change.DELETED, size=100),
    entry("/etc/ssh/ssh_host_ed25519_key", size=411, writer=writer("sshd-keygen.service", ago=30)),
    entry("/etc/ssh/ssh_host_rsa_key", size=2602, writer=writer("sshd-keygen.service", ago=31)),
    directory("/home/alice", mode=0o700),
    directory("/home/alice/n"),
    entry("/home/alice/n/a.md", size=40_000, writer=writer("session-3.scope", "/usr/bin/nvim", ago=720)),
    entry("/home/alice/n/b.md", size=1_984, writer=writer("session-3.scope", "/usr/bin/nvim", ago=900)),
    directory("/srv/empty"),
    entry("/tmp/x", verdict=Verdict.IGNORED, rule="ignored by the pattern /tmp/"),
    entry("/tmp/y", verdict=Verdict.IGNORED, rule="ignored by the pattern /tmp/"),
    entry("/var/lib/machines", type=FileType.SUBVOLUME),
    directory("/var/lib/sonarr"),
    *(
        entry(f"/var/lib/sonarr/{number}.db", size=3_318_000, writer=writer("sonarr.service"))
        for number in range(12)
    ),
    directory("/var/log/journal", verdict=Verdict.DECLARED, rule="declared by config.toml, here"),
    watching_since=NOW - 10_760,
)
