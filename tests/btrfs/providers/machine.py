"""A volume whose blank and life the package managers' own tools write to."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from impermanenced.kernel import openat2
from impermanenced.model import Difference, Verdict
from impermanenced.report.providers import packages_of, tmpfiles
from impermanenced.report.providers.packages import Packages
from tests.btrfs.conftest import Volumes
from tests.conftest import Filesystem


class System(Volumes):
    """A volume whose blank and life the package managers' own tools write to."""

    def __init__(self, filesystem: Filesystem, work: Path) -> None:
        super().__init__(filesystem)
        self.work = work
        self.seed = filesystem.subvolume("seed")

    def begin(self) -> Path:
        self.filesystem.snapshot("seed", "root-blank", readonly=True)
        return self.filesystem.snapshot("root-blank", "root")

    @contextlib.contextmanager
    def packages(self) -> Iterator[Packages]:
        now = os.open(self.top / "root", os.O_PATH)
        blank = os.open(self.top / "root-blank", os.O_PATH)
        try:
            found = packages_of(now, blank)
            assert found is not None
            yield found
        finally:
            os.close(now)
            os.close(blank)

    def findings(self) -> dict[str, tuple[Verdict, str, str]]:
        differences: list[Difference] = self.differences()
        with self.packages() as packages:
            packages.learn(differences)
            found = {os.fsdecode(one.path): packages.find(one) for one in differences}
            assert packages.faults == []
        return {path: (one.verdict, one.rule, one.package) for path, one in found.items() if one is not None}

    def judge_tmpfiles(self) -> dict[str, str | None]:
        made = tmpfiles.ask(os.fsencode(self.top / "root"))
        assert made.faults == []
        with beneath_root(self.top / "root") as read:
            return {os.fsdecode(one.path): made.rule_of(one, read) for one in self.differences()}

    def judge_sysusers(self) -> dict[str, str | None]:
        made = tmpfiles.ask_sysusers(os.fsencode(self.top / "root"))
        with beneath_root(self.top / "root") as read, beneath_root(self.top / "root-blank") as before:
            return {os.fsdecode(one.path): made.rule_of(one, read, before) for one in self.differences()}


@contextlib.contextmanager
def beneath_root(root: Path) -> Iterator[Callable[[bytes, int], bytes]]:
    fd = os.open(root, os.O_PATH)
    try:
        yield functools.partial(openat2.read, fd)
    finally:
        os.close(fd)
