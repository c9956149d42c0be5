"""A machine that boots: an ephemeral root, and the real hook between its lives."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impermanenced.boots import good, history, outcome
from impermanenced.boots.outcome import Trouble
from tests.conftest import Filesystem, sh
from tests.schema import checked
from tests.shell.hook import Boot, Initrd


@dataclass
class Machine:
    """An ephemeral root that is mounted while it runs, and the initrd that it boots with."""

    filesystem: Filesystem
    initrd: Initrd
    config: Path
    root: Path

    @property
    def state(self) -> Path:
        return self.filesystem.top / ".impermanence"

    def boot(self, cmdline: str = "", **files: str) -> Boot:
        """Shut down, run the hook, and write some files in the new life.

        The hook knows no other boot id than this machine's: the record gets one of its own.
        """
        if self.root in self.filesystem.mounts:
            self.filesystem.umount(self.root)
        booted = self.initrd.boot(cmdline)
        self.filesystem.mount(self.root, "subvol=root")
        for name, content in files.items():
            (self.root / name).write_text(content)
        return booted

    def run(self, *argv: str, wrap: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        script = "import sys; from impermanenced.cli.main import command; sys.exit(command())"
        bus = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.config.parent}/no-bus", "COLUMNS": "80"}
        return subprocess.run(
            [*wrap, sys.executable, "-c", script, "--config", self.config, *argv],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, **bus},
            cwd="/",
            timeout=60,
        )

    def say(self, *argv: str) -> str:
        result = self.run(*argv)
        assert (result.returncode, result.stderr) == (0, ""), result.stderr
        return result.stdout

    def document(self) -> Any:
        return checked("boots", self.say("boots", "--json"))

    def refused(self, code: int, *argv: str, wrap: tuple[str, ...] = ()) -> str:
        before = sh("find", self.filesystem.top, "-printf", "%p %i %T@ %s\n")
        result = self.run(*argv, wrap=wrap)
        assert (result.returncode, result.stdout) == (code, ""), result.stderr
        assert [line.partition(": ")[0] for line in result.stderr.splitlines()] == ["impermanence", "hint"]
        assert sh("find", self.filesystem.top, "-printf", "%p %i %T@ %s\n") == before
        return result.stderr


def as_another_boot(machine: Machine, number: int, boot_id: str) -> None:
    """As if a boot of that id had written the record, and the next one had archived its life."""
    file = machine.state / f"boots/{number}.env"
    mine = history.this_boot_id()
    file.write_text(file.read_text().replace(mine, boot_id))
    later = machine.state / f"boots/{number + 1}.env"
    for path in machine.filesystem.top.glob(f"old_roots/{number}-*"):
        renamed = path.with_name(path.name.replace(mine, boot_id))
        path.rename(renamed)
        later.write_text(later.read_text().replace(f"{number}-{mine}", f"{number}-{boot_id}"))


def boot_id_of(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def told(booted: Boot) -> Trouble | None:
    return outcome.look(history.this_boot_id(), os.fsencode(booted.run / "impermanence"))


def with_image(machine: Machine, tmp_path: Path) -> Boot:
    """An image is there, and nobody resumed it: the hook does not even mount."""
    swap = tmp_path / "swap"
    content = bytearray(8192)
    content[4086:4095] = b"S1SUSPEND"
    swap.write_bytes(content)
    return machine.boot(f"resume=/dev/..{swap}")


def three_bad_boots(machine: Machine) -> None:
    mark(machine.boot())
    for _ in range(3):
        assert told(machine.boot()) is None


def mark(booted: Boot) -> int | None:
    result = good.result(os.fsencode(booted.run / "impermanence/rollback.env"))
    return good.mark(result, history.this_boot_id())


def with_other_root(machine: Machine) -> Boot:
    """Another subvolume of the same filesystem boots."""
    machine.filesystem.subvolume("other")
    return machine.boot("rootflags=subvol=other")
