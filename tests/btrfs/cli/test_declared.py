"""The state of each declaration: `status --persist`, and `persisted`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import sh
from tests.schema import checked

from ..keep_machine import bind, persist_volume
from .machine import System

DECLARED = (
    '[persist."/persist"]\n'
    'directories = ["/var/log", {path = "/var/lib/thing", user = "0", mode = "u=rwx,g=rx,o="}, '
    '{path = "/srv/link", method = "symlink"}]\n'
    'files = ["/etc/hostname"]\n'
)


@pytest.fixture
def persist(system: System) -> Path:
    system.configure(DECLARED)
    return persist_volume(system)


@pytest.fixture
def active(system: System, persist: Path) -> Path:
    """Everything as it was declared."""
    for directory in ("var/log", "var/lib/thing", "srv/link", "etc"):
        (persist / directory).mkdir(parents=True)
    (persist / "etc/hostname").write_text("kept\n")
    (persist / "var/lib/thing").chmod(0o750)
    for path in ("var/log", "var/lib/thing", "etc/hostname"):
        bind(system, persist / path, path)
    (system.root / "srv").mkdir()
    (system.root / "srv/link").symlink_to("/persist/srv/link")
    return persist


def states(system: System) -> dict[str, Any]:
    found = system.document("status", "--persist")["declarations"]
    return {one["path"]: one for one in found}


def reasons(system: System) -> dict[str, str]:
    return {path: one["reason"] for path, one in states(system).items()}


def persisted(system: System) -> list[str]:
    return [one["path"] for one in system.document("persisted")["paths"]]


def test_active(system: System, active: Path) -> None:
    assert reasons(system) == {
        "/var/log": "mounted",
        "/var/lib/thing": "mounted",
        "/srv/link": "linked",
        "/etc/hostname": "mounted",
    }
    for one in states(system).values():
        assert one["state"] == "active" and one["kept"] and not one["hint"]
    result = system.run("status", "--persist", "--exit-code")
    assert result.returncode == 0
    assert result.stdout.splitlines()[0] == "4 declarations: 4 active."
    assert "    /var/log/  mounted from /persist/var/log" in result.stdout
    assert persisted(system) == ["/etc/hostname", "/persist/srv/link", "/var/lib/thing", "/var/log"]


def test_the_phase_of_each_is_said(system: System, active: Path) -> None:
    """The machine ID is the initrd's without being asked for."""
    system.configure(
        '[persist."/persist"]\nfiles = ["/etc/hostname", "/etc/machine-id"]\n'
        'directories = [{path = "/var/lib/thing", phase = "initrd"}]\n'
    )
    assert {path: one["phase"] for path, one in states(system).items()} == {
        "/etc/hostname": "system",
        "/etc/machine-id": "initrd",
        "/var/lib/thing": "initrd",
    }
    said = system.run("status", "--persist").stdout
    assert "/var/lib/thing/  mounted from /persist/var/lib/thing (by the initrd)" in said
    assert "/etc/hostname  mounted from /persist/etc/hostname\n" in said


def test_not_active(system: System, persist: Path) -> None:
    assert reasons(system) == {
        "/var/log": "not-mounted",
        "/var/lib/thing": "not-mounted",
        "/srv/link": "not-linked",
        "/etc/hostname": "not-mounted",
    }
    assert {one["state"] for one in states(system).values()} == {"not-active"}
    result = system.run("status", "--persist", "--exit-code")
    assert result.returncode == 3
    assert "impermanence apply" in result.stdout
    nothing = system.run("persisted")
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert nothing.stderr.count("impermanence: not kept: ") == 4


def test_within_a_mount_above(system: System, active: Path) -> None:
    system.filesystem.umount(system.root / "var/log")
    system.filesystem.umount(system.root / "var/lib/thing")
    bind(system, active / "var", "var")
    found = reasons(system)
    assert (found["/var/log"], found["/var/lib/thing"]) == ("within", "within")
    assert persisted(system) == ["/etc/hostname", "/persist/srv/link", "/var/lib/thing", "/var/log"]


def test_mounted_from_elsewhere_keeps_it_and_is_said(system: System, active: Path) -> None:
    (active / "old").mkdir()
    bind(system, active / "old", "var/log")
    one = states(system)["/var/log"]
    assert (one["state"], one["reason"], one["kept"]) == ("inconsistent", "elsewhere", True)
    assert one["why"].endswith("[/persist/old], and not /persist/var/log")


def test_a_tmpfs_over_it_keeps_nothing(system: System, active: Path) -> None:
    sh("mount", "-t", "tmpfs", "tmpfs", system.root / "var")
    system.filesystem.mounts.append(system.root / "var")
    found = states(system)
    assert (found["/var/log"]["reason"], found["/var/lib/thing"]["reason"]) == ("passing", "passing")
    assert not found["/var/log"]["kept"]


def test_a_mount_of_what_was_replaced(system: System, active: Path) -> None:
    """What is mounted goes on showing the old file, which goes with the mount."""
    (active / "etc/new").write_text("new\n")
    (active / "etc/new").rename(active / "etc/hostname")
    one = states(system)["/etc/hostname"]
    assert (one["state"], one["reason"], one["kept"]) == ("inconsistent", "stale", False)
    assert one["commands"][0] == "cp -a --reflink=auto -T /etc/hostname /persist/etc/hostname"


def test_a_link_that_was_replaced(system: System, active: Path) -> None:
    link = system.root / "srv/link"
    link.unlink()
    link.write_text("by a program that writes a new file and renames it\n")
    assert reasons(system)["/srv/link"] == "link-replaced"
    link.unlink()
    link.symlink_to("/persist/var/log")
    assert reasons(system)["/srv/link"] == "elsewhere"
    link.unlink()
    link.symlink_to("/srv")
    assert reasons(system)["/srv/link"] == "elsewhere"
    link.unlink()
    link.symlink_to("../persist/srv/link")
    assert reasons(system)["/srv/link"] == "linked"
    (active / "srv/link").rmdir()
    one = states(system)["/srv/link"]
    assert (one["reason"], one["why"]) == ("no-source", "its source /persist/srv/link does not exist")


def test_another_kind_owner_or_mode(system: System, active: Path) -> None:
    (active / "var/lib/thing").chmod(0o755)
    one = states(system)["/var/lib/thing"]
    assert (one["reason"], one["kept"]) == ("owner", True)
    assert one["why"] == "the mode of its source is 0755, not 0750"
    assert one["commands"] == ["chown 0 /persist/var/lib/thing", "chmod u=rwx,g=rx,o= /persist/var/lib/thing"]
    os.chown(active / "var/lib/thing", 1234, 0)
    assert "the owner of its source is 1234, not 0" in states(system)["/var/lib/thing"]["why"]
    system.configure('[persist."/persist"]\nfiles = ["/var/log"]\n')
    assert states(system)["/var/log"]["why"] == "it is declared as a file, and its source is a directory"


def test_a_persist_volume_in_the_volume(system: System) -> None:
    system.configure(DECLARED)
    (system.root / "persist/var/log").mkdir(parents=True)
    assert set(reasons(system).values()) == {"wiped"}


def test_a_source_behind_a_link_is_not_looked_into(system: System, active: Path) -> None:
    (active / "srv/link").rmdir()
    (active / "srv").rmdir()
    (active / "srv").symlink_to("/etc")
    assert reasons(system)["/srv/link"] == "no-source"


def test_exact_bytes_and_words(system: System, active: Path) -> None:
    hostile = "/var/lib/a\x1b[31m"
    system.configure('[persist."/persist"]\ndirectories = ["/var/lib/a\\\\x1b[31m"]\n')
    (active / hostile[1:]).mkdir()
    bind(system, active / hostile[1:], hostile[1:])
    assert system.run("persisted").stdout == "/var/lib/a\\x1b[31m\n"
    assert system.run("persisted", "--null").stdout == f"{hostile}\0"
    assert "\x1b" not in system.run("status", "--persist").stdout


def test_what_does_not_go_with_it(system: System) -> None:
    for argv in (("--by", "unit"), ("--since", "-1"), ("--sort", "size")):
        said = system.refused(2, "status", "--persist", *argv)
        assert "--persist is about declarations" in said
    assert system.run("status", "--persist").stdout.startswith("nothing is declared.")


def test_doctor_names_what_is_inconsistent(system: System, active: Path) -> None:
    def said() -> dict[str, Any]:
        found = system.run("doctor", "--json")
        assert found.stderr == ""
        return {one["what"]: one for one in checked("doctor", found.stdout)["findings"]}

    before = said()
    (active / "var/lib/thing").chmod(0o755)
    (active / "etc/new").touch()
    (active / "etc/new").rename(active / "etc/hostname")
    fresh = {what: one for what, one in said().items() if what not in before}
    mode, stale = sorted(fresh, reverse=True)
    assert mode == "/var/lib/thing: the mode of its source is 0755, not 0750"
    assert stale.startswith("/etc/hostname: what is mounted there was removed from its place")
    assert fresh[mode]["severity"] == "warning"
    assert fresh[stale]["commands"][1] == "umount /etc/hostname"


def replace(path: Path, content: str) -> None:
    """Write a new file and rename it over the old one, as wpa_supplicant does; what fails is left."""
    new = path.with_name(f"{path.name}.tmp")
    new.write_text(content)
    os.utime(new, ns=(1 << 61, 1 << 61))
    new.rename(path)


def test_what_a_program_left_beside_a_mount(system: System, active: Path) -> None:
    for beside in ("hostname-", "hostname.swp", "hosts.tmp"):  # backups, locks, other files
        (system.root / "etc" / beside).write_text("x")
    (system.root / "etc/hostname.link").symlink_to("x")
    (system.root / "etc/hostname.empty").touch()
    (system.root / "etc/hostname.before").write_text("x")
    os.utime(system.root / "etc/hostname.before", ns=(1, 1))
    assert reasons(system)["/etc/hostname"] == "mounted"
    with pytest.raises(OSError, match="busy"):
        replace(system.root / "etc/hostname", "new\n")
    one = states(system)["/etc/hostname"]
    assert (one["state"], one["reason"], one["kept"]) == ("inconsistent", "left-aside", True)
    assert one["why"].startswith("/etc/hostname.tmp is a younger version")
    (system.root / "etc/hostname.tmp").unlink()
    assert reasons(system)["/etc/hostname"] == "mounted"


def test_a_directory_around_it_takes_a_new_file(system: System, active: Path) -> None:
    (active / "var/log/file").write_text("old\n")
    replace(system.root / "var/log/file", "new\n")
    assert reasons(system)["/var/log"] == "mounted"
    assert (active / "var/log/file").read_text() == "new\n"
