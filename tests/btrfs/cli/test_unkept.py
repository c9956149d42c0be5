"""What `impermanence doctor` finds of declarations, persist volumes and homes that nothing keeps."""

from __future__ import annotations

import os

import pytest

from impermanenced.boots.doctor import Finding
from impermanenced.keep import doctor as keep_doctor
from impermanenced.report import unkept
from impermanenced.report.report import Manager
from tests.conftest import sh

from .machine import System, doctor_of_the_root

DECLARED = '[persist."/persist"]\ndirectories = ["/var/lib/thing", "/var/log"]\nfiles = ["/etc/hostname"]\n'
NOTHING = "What is written there goes with the next boot that wipes"


def findings(system: System) -> list[Finding]:
    with Manager(os.fsencode(system.config)) as manager:
        decision = manager.forecast().decision
        return [*keep_doctor.examine(manager, decision), *unkept.examine(manager, decision)]


def whats(system: System) -> list[str]:
    return [finding.what for finding in findings(system)]


@pytest.fixture
def declared(system: System) -> System:
    """Declared, and nothing else: the persist volume is there, and mounted."""
    system.configure(DECLARED)
    assert system.run("setup").returncode == 0
    system.filesystem.subvolume("persist")
    system.filesystem.mount(system.root / "persist", "subvol=persist")
    return system


def bind(system: System, path: str) -> None:
    source = system.root / "persist" / path
    if not source.exists():
        source.mkdir(parents=True)
    sh("mount", "--bind", source, system.root / path)
    system.filesystem.mounts.append(system.root / path)


def test_declared_and_nothing_mounted(declared: System) -> None:
    (one,) = findings(declared)
    assert one.what == (
        f"declared, but nothing is mounted there: /etc/hostname, /var/lib/thing, /var/log. {NOTHING}"
    )
    assert one.commands == ("impermanence apply",)


def test_mounts_and_links_keep_it(declared: System) -> None:
    bind(declared, "var/log")
    assert "/etc/hostname, /var/lib/thing. " in whats(declared)[0]
    (declared.root / "var/lib/thing").symlink_to("/persist/var/lib/thing")
    nothing = f"declared, but nothing is mounted there: /etc/hostname. {NOTHING}"
    missing = "/var/lib/thing: its source /persist/var/lib/thing does not exist"
    assert whats(declared) == [nothing, missing]
    (declared.root / "persist/var/lib/thing").mkdir(parents=True)
    assert whats(declared) == [nothing]
    (declared.root / "persist/etc").mkdir()
    (declared.root / "persist/etc/hostname").touch()
    bind(declared, "etc/hostname")
    assert findings(declared) == []
    (declared.root / "var/lib/thing").unlink()
    (declared.root / "var/lib/thing").symlink_to("/elsewhere")
    assert whats(declared) == [f"declared, but nothing is mounted there: /var/lib/thing. {NOTHING}"]


def test_a_mount_above_it_keeps_it_and_a_tmpfs_does_not(declared: System) -> None:
    bind(declared, "var")
    bind(declared, "etc")
    assert findings(declared) == []
    declared.filesystem.umount(declared.root / "var")
    sh("mount", "-t", "tmpfs", "tmpfs", declared.root / "var/log")
    declared.filesystem.mounts.append(declared.root / "var/log")
    assert whats(declared) == [
        f"declared, but nothing is mounted there: /var/lib/thing. {NOTHING}",
        "/var/log: a tmpfs is mounted there, which keeps nothing",
    ]


def people(system: System) -> None:
    (system.root / "etc/passwd").write_text(
        "root:x:0:0::/root:/bin/sh\n"
        "alice:x:1000:1000::/home/alice:/bin/sh\n"
        "bob:x:1001:1001::/home/bob:/bin/sh\n"
        "gone:x:1002:1002::/home/gone:/bin/sh\n"
        "redis:x:950:950::/var/lib/redis:/usr/sbin/nologin\n"
        "nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n"
        "hostile:x:1003:1003::/home/\x1b[31m:/bin/sh\n"
        "broken:x:1004\n"
    )
    for home in ("root", "home/bob", "var/lib/redis"):
        (system.root / home).mkdir(parents=True)


def test_homes(system: System) -> None:
    people(system)
    said = whats(system)
    assert said == [
        "nothing of the home of alice, /home/alice, is kept",
        "nothing of the home of bob, /home/bob, is kept",
    ]
    (system.root / "home/\x1b[31m").mkdir()
    assert all(what.isprintable() for what in whats(system)) and len(whats(system)) == 3
    (system.root / "home/\x1b[31m").rmdir()
    # A part of it declared, or all of it; or it is said that it is to go.
    system.configure('[persist."/persist".users.alice]\ndirectories = [".ssh"]\n')
    assert "nothing of the home of alice" not in " ".join(whats(system))
    system.configure('[watch]\nignore = ["/home/bob/"]\n')
    assert whats(system) == said[:1]
    system.configure('[persist."/persist"]\ndirectories = ["/home"]\n')
    assert not any("home of" in what for what in whats(system))
    system.configure()
    system.filesystem.subvolume("homes")
    system.filesystem.mount(system.root / "home", "subvol=homes")
    assert findings(system) == []


def test_a_persist_volume_that_is_not_there(system: System) -> None:
    """In the system that runs it is known; elsewhere nobody knows what is mounted when it runs."""
    system.configure(DECLARED)
    people(system)
    assert not any("there is no /persist" in what for what in whats(system))
    (system.root / "etc/impermanence").mkdir()
    (system.root / "etc/impermanence/config.toml").write_text(DECLARED)
    _, found = doctor_of_the_root(system)
    (missing,) = [one for one in found if "there is no /persist" in one["what"]]
    assert missing["what"] == "there is no /persist: what is declared below it is kept nowhere"
    assert missing["commands"][1:3] == [
        "btrfs subvolume create /mnt/persist",
        "mkdir -p /persist && cp -a --reflink=auto /persist/. /mnt/persist/",
    ]
    (system.root / "persist").mkdir()
    _, found = doctor_of_the_root(system)
    assert any(one["what"].startswith("/persist is no volume of its own: it lies in volume") for one in found)
    assert {one["severity"] for one in found if "is kept" in one["what"]} == {"warning"}, "it is not set up"
