"""What `explain` and `diff` say of a path, and which path of the report one that was typed means."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from impermanenced.cli import from_blank, paths
from impermanenced.cli.commands import explain
from impermanenced.document.status import diff_to_json
from impermanenced.model import Advice, AdviceKind, Change, FileType, Report
from impermanenced.report.writing import writing_units

from .reports import BUSY, NOW, PLAIN, ROOT, directory, entry, report, writer


def test_diff() -> None:
    assert list(from_blank.lines(from_blank.below(BUSY, b"/etc/ssh"))) == [
        "+...... /etc/ssh/ssh_host_ed25519_key\n",
        "+...... /etc/ssh/ssh_host_rsa_key\n",
    ]
    assert list(from_blank.lines(from_blank.below(BUSY, b"/etc/ss"))) == []  # whole components
    assert from_blank.below(BUSY, b"/") == BUSY
    assert list(from_blank.lines(report(entry(b"/a\x1b[31m\xff")))) == ["+...... /a\\x1b[31m\\xff\n"]
    found = diff_to_json(BUSY)
    assert found["version"] == 1
    entries = found["entries"]
    assert isinstance(entries, list) and len(entries) == len(BUSY.entries)
    assert all(one["letters"] == "+......" for one in entries)


def explained(found: Report, path: bytes, cwd: bytes = b"/") -> tuple[str, int]:
    answer = explain.look_up(found, path, cwd)
    text = explain.text(answer, persist="/persist", config="/c.toml", now=NOW, style=PLAIN)
    return text, answer.exit_code


def test_explain() -> None:
    assert explained(BUSY, b"/var/lib/sonarr/3.db") == (
        """\
/var/lib/sonarr/3.db   created, last modified 1 h ago, 3.2 MiB, root 0644
  verdict  crud
  because  nothing declares it
  written  by sonarr.service (x, pid 812, uid root), at 12:09:20
  then     after the next boot it is gone
  keep it  add it to files below [persist."/persist"] in /c.toml
""",
        0,
    )
    assert (
        explained(BUSY, b"log/../log/journal/", b"/var")[0]
        == """\
/var/log/journal   directory, created, last modified 1 h ago, root 0644
  verdict  declared
  because  declared by config.toml, here
  written  writer unknown (not watched, or the event was lost)
  then     after the next boot it is gone
  keep it  add it to directories below [persist."/persist"] in /c.toml
"""
    )
    assert "deleted, the blank's is of 1 h ago" in explained(BUSY, b"/etc/motd")[0]


def test_advice_fits_the_loss() -> None:
    found = report(
        entry("/var/log/x", rule="hidden under the mount of tmpfs at /var/log", hidden=True),
        entry("/etc/motd", change=Change.DELETED),
        directory("/srv/d"),
    )
    assert "keep it  copy it to what is mounted there" in explained(found, b"/var/log/x")[0]
    assert "keep it  the next boot brings it back" in explained(found, b"/etc/motd")[0]
    assert "keep it  add it to directories below" in explained(found, b"/srv/d")[0]


def test_explain_what_is_no_drift(tmp_path: Path) -> None:
    assert explained(BUSY, b"/no/such/path") == (
        "/no/such/path does not exist, and is not in the blank either\n",
        1,
    )
    text, code = explained(BUSY, b"/proc/self")
    assert (text.partition(" which")[0], code) == ("/proc/self is on another mount,", 0)
    inside = os.fsencode(tmp_path)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/same").touch()
    foreign = BUSY._replace(volumes=(ROOT._replace(mountpoint=inside),))
    mount = explain._mount_at(inside)
    assert mount is not None
    assert paths.location(foreign, b"/etc/same") == inside + b"/etc/same"
    assert paths.meant(foreign, inside + b"/etc/same", b"/") == b"/etc/same"
    assert paths.meant(foreign, b"same", inside + b"/etc") == b"/etc/same"
    assert paths.meant(foreign, b"/etc/motd", b"/") == b"/etc/motd"


def test_paths_in_their_escaped_form_are_understood() -> None:
    found = report(entry("/a\nb"), entry(r"/c\d"))
    assert paths.meant(found, b"/a\nb", b"/") == b"/a\nb"
    assert paths.meant(found, rb"/a\x0ab", b"/") == b"/a\nb"
    assert paths.meant(found, rb"/c\d", b"/") == rb"/c\d"
    assert paths.meant(found, rb"/c\x5cd", b"/") == rb"/c\d"
    assert paths.meant(found, b"//a\nb", b"/") == b"/a\nb"


def test_a_path_below_a_symlinked_directory(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real/dangling").symlink_to("nowhere")
    found = report(entry(f"{tmp_path}/real/dangling", type=FileType.SYMLINK))
    asked = os.fsencode(tmp_path / "link/dangling")
    assert paths.meant(found, asked, b"/") == os.fsencode(tmp_path / "real/dangling")


def test_the_command_that_keeps_it_stops_who_writes_there() -> None:
    system, user = (writer("db.service")._replace(kind=kind) for kind in ("system", "user"))
    found = report(
        entry("/srv/db/log", writer=system), entry("/srv/dbs", writer=system), entry("/srv/db/x", writer=user)
    )
    assert writing_units(found, b"/srv/db") == {"db.service": b"/srv/db/log"}
    answer = dataclasses.replace(explain.look_up(found, b"/srv/db/log", b"/"), writing=("db.service",))
    text = explain.text(answer, persist=None, config=None, now=NOW, style=PLAIN)
    assert text.endswith("  keep it  impermanence persist --stop db.service /srv/db/log\n"), text


def test_the_best_advice_comes_first() -> None:
    """Each kind has words of its own, and a path among them is quoted for a shell."""
    kinds = [
        (kind, "/srv/a b" if kind in (AdviceKind.PUSH, AdviceKind.PERSIST_FILE) else "x")
        for kind in AdviceKind
    ]
    found = report(entry("/srv/a", advice=tuple(Advice(kind, argument) for kind, argument in kinds)))
    answer = explain.look_up(found, b"/srv/a", b"/")
    text = explain.text(answer, persist="/p", config="/c", now=NOW, style=PLAIN)
    said = text.partition("keep it  ")[2].splitlines()
    assert len({line.strip() for line in said}) == len(AdviceKind)
    assert said[0] == 'add x to directories below [persist."/p"] in /c'
    assert said[1].strip() == 'add /srv/a b to files below [persist."/p"] in /c'
    assert "           git -C '/srv/a b' push\n" in text
