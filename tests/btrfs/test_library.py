"""The library as another program uses it, on a volume of a loop device."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import impermanenced
from impermanenced import Change, FileType, NotSetUp, UsageError, Verdict

from ..conftest import Filesystem, sh

EXAMPLE = Path(__file__).parents[2] / "docs/example.py"


@pytest.fixture
def config(filesystem: Filesystem, tmp_path: Path) -> Path:
    """A root with a new key and a changed file, and what the well-known script archived once."""
    blank = filesystem.subvolume("root-blank")
    (blank / "etc").mkdir()
    (blank / "etc/hosts").write_text("127.0.0.1 localhost\n")
    filesystem.snapshot("root-blank", "root")
    sh("btrfs", "property", "set", blank, "ro", "true")
    mountpoint = filesystem.mount(tmp_path / "root", "subvol=root")
    (mountpoint / "etc/hosts").write_text("127.0.0.1 localhost more\n")
    (mountpoint / "etc/\x1b[31mred").write_text("x" * 1000)
    (filesystem.top / "old_roots").mkdir()
    filesystem.snapshot("root", "old_roots/2024-02-01_10:00:00")
    config = tmp_path / "config.toml"
    config.write_text(f'[[volume]]\nmountpoint = "{mountpoint}"\npath = "/"\n')
    return config


def test_the_example_runs(config: Path) -> None:
    said = subprocess.run([sys.executable, EXAMPLE, config], capture_output=True, text=True, check=True)
    first, *losses, boot = said.stdout.splitlines()
    assert first == f"root at {config.parent}/root: 1 created, 1 modified"
    assert sorted(line.split()[-1] for line in losses) == [r"/etc/\x1b[31mred", "/etc/hosts"]
    assert boot == "boot ?: old_roots/2024-02-01_10:00:00"


def test_what_the_example_says_of_a_machine_that_is_none(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[[volume]]\nmountpoint = "/proc"\npath = "/"\n')
    said = subprocess.run([sys.executable, EXAMPLE, config], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout) == (5, "")
    assert "/proc" in said.stderr and "Traceback" not in said.stderr


def test_what_it_returns(config: Path) -> None:
    with impermanenced.open(os.fspath(config)) as system:
        (volume,) = system.volumes
        assert (volume.name, volume.path, volume.blank) == ("root", b"/", b"root-blank")
        drift = {difference.path: difference for difference in system.drift("root")}
        assert drift.keys() == {b"/etc/hosts", b"/etc/\x1b[31mred"}
        red = drift[b"/etc/\x1b[31mred"]
        assert (red.type, red.change, red.size) == (FileType.FILE, Change.CREATED, 1000)
        report = system.report()
        assert report.complete and report.watching_since is None
        assert [entry.difference for entry in report.entries] == [drift[path] for path in sorted(drift)]
        assert {entry.verdict for entry in report.entries} == {Verdict.CRUD}
        (boot,) = system.boots()
        assert (boot.number, [root.path for root in boot.old_roots]) == (
            None,
            [b"old_roots/2024-02-01_10:00:00"],
        )


def test_what_it_raises(config: Path, filesystem: Filesystem, tmp_path: Path) -> None:
    with impermanenced.open(config) as system:
        with pytest.raises(UsageError, match="there is no volume 'home'"):
            system.drift("home")
        sh("btrfs", "subvolume", "delete", filesystem.top / "old_roots/2024-02-01_10:00:00")
        with pytest.raises(NotSetUp):
            system.boots()
    config.write_text("[[volume]]\nmountpoint = 7\n")
    with pytest.raises(impermanenced.ConfigError, match="mountpoint"):
        impermanenced.open(config)


def test_it_changes_nothing(config: Path, filesystem: Filesystem) -> None:
    def everything() -> str:
        return sh("find", filesystem.top, "-printf", "%p %i %T@ %C@ %s\n")

    before = everything()
    with impermanenced.open(config) as system:
        system.report(), system.boots(), list(system.drift("root"))
    assert everything() == before


def test_descriptors_are_closed(config: Path) -> None:
    before = os.listdir("/proc/self/fd")
    with impermanenced.open(config) as system:
        system.report()
        list(system.drift("root"))
    assert os.listdir("/proc/self/fd") == before


def test_what_is_public_is_all_that_it_returns() -> None:
    """A field of a type that nobody may import would be of no use to who annotates."""
    seen: set[type] = set()

    def look(found: object) -> None:
        for argument in typing.get_args(found):
            look(argument)
        ours = isinstance(found, type) and found.__module__.startswith("impermanenced")
        if isinstance(found, type) and ours and found not in seen:
            seen.add(found)
            if dataclasses.is_dataclass(found) or hasattr(found, "_fields"):
                for hint in typing.get_type_hints(found).values():
                    look(hint)

    for returned in (
        impermanenced.Report,
        impermanenced.Boot,
        impermanenced.Difference,
        impermanenced.Volume,
    ):
        look(returned)
    assert all(getattr(impermanenced, found.__name__) is found for found in seen), seen


def test_all_names_are_there() -> None:
    for name in impermanenced.__all__:
        assert getattr(impermanenced, name) is not None
    assert set(impermanenced.__all__) <= set(dir(impermanenced))
    with pytest.raises(AttributeError):
        _ = impermanenced.Manager  # type: ignore[attr-defined]


def test_importing_it_loads_nothing_else() -> None:
    """The command line imports it too."""
    program = "import sys; import impermanenced; print([name for name in sys.modules if 'imperm' in name])"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "['impermanenced']\n"
