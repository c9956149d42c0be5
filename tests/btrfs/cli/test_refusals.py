"""The real command on a real filesystem: what it refuses, and that it changes nothing."""

from __future__ import annotations

import pytest

from tests.conftest import sh

from ..users import as_nobody, open_to_all
from .machine import System, populate


def test_no_btrfs(system: System) -> None:
    system.configure()
    system.config.write_text(f'[[volume]]\nmountpoint = "{system.config.parent}"\n')
    if sh("stat", "-f", "-c", "%T", system.config.parent).strip() == "btrfs":
        pytest.skip("needs a temporary directory that is not on BTRFS: set TMPDIR")
    assert "not BTRFS" in system.refused(5)


def test_no_such_mountpoint(system: System) -> None:
    system.config.write_text('[[volume]]\nmountpoint = "/nowhere/at/all"\n')
    assert "/nowhere/at/all: No such file or directory" in system.refused(5)


def test_a_directory_is_no_mountpoint(system: System) -> None:
    system.config.write_text(f'[[volume]]\nmountpoint = "{system.root}/etc"\n')
    assert "is not where a subvolume is mounted" in system.refused(5)


def test_the_top_level_is_no_volume(system: System) -> None:
    system.config.write_text(f'[[volume]]\nmountpoint = "{system.filesystem.top}"\n')
    assert "is the top level of its BTRFS" in system.refused(5)


def test_a_missing_blank(system: System) -> None:
    system.configure(volume='blank = "nope"')
    assert "blank nope does not exist" in system.refused(5)


def test_a_blank_that_is_no_subvolume(system: System) -> None:
    (system.filesystem.top / "dir").mkdir()
    (system.filesystem.top / "file").touch()
    for blank in ("dir", "file"):
        system.configure(volume=f'blank = "{blank}"')
        assert f"blank {blank} is not a subvolume" in system.refused(5)


def test_another_subvolume_than_configured(system: System) -> None:
    system.configure(volume='subvolume = "other"')
    assert "is mounted from root, not from other" in system.refused(5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[rolback]\nwipe = true", "rolback: there is no such key"),
        ("[archive]\nkeep-min = 'three'", 'archive.keep-min: "three" is not a whole number'),
        (
            "[persist.'/p']\ndirectories = ['/a/../b']",
            'persist."/p".directories[0]: "/a/../b" has ".." in it',
        ),
        ("[watch\n", "config.toml: Expected"),
    ],
)
def test_a_bad_configuration(system: System, text: str, message: str) -> None:
    system.configure(text)
    for command in ("status", "diff", "setup"):
        assert message in system.refused(1, command)


def test_a_declared_path_through_a_symlink(system: System) -> None:
    (system.root / "srv").symlink_to("/etc")
    system.configure('[persist."/p"]\ndirectories = ["/srv/data"]')
    assert "/srv/data leads through the symlink /srv -> /etc" in system.refused(1)


def test_a_missing_configuration(system: System) -> None:
    system.config.unlink()
    assert "no such configuration file" in system.refused(2)


def test_who_is_not_root(system: System) -> None:
    open_to_all(system.config)
    message = system.refused(4, wrap=as_nobody())
    assert "run it as root" in message
    assert "impermanenced.service" in message


def test_a_configuration_of_somebody_else(system: System) -> None:
    open_to_all(system.config)
    system.config.chmod(0o600)
    assert "config.toml: may not be read" in system.refused(4, wrap=as_nobody())


def test_a_dead_bus_is_no_hindrance(system: System) -> None:
    """The socket is there and nobody listens: the filesystem answers."""
    populate(system.root)
    stale = system.config.parent / "stale-bus"
    stale.touch()
    result = system.run("status", DBUS_SYSTEM_BUS_ADDRESS=f"unix:path={stale}")
    assert (result.returncode, result.stderr) == (0, "")
    assert "would be lost" in result.stdout
