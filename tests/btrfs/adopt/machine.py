"""A machine whose running system is adopted: an ephemeral root with a persist volume mounted in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from impermanenced import copying
from impermanenced.boots.records.job import Job
from impermanenced.config.load import load
from impermanenced.config.placement import BIND, SYMLINK
from impermanenced.errors import CommandError
from impermanenced.keep.adopt import run
from impermanenced.keep.adopt.book import Book
from impermanenced.keep.adopt.ground import Ground
from impermanenced.keep.adopt.persist import Request, begin
from impermanenced.keep.adopt.unpersist import begin as begin_back
from impermanenced.kernel import mounts
from impermanenced.paths import within
from impermanenced.volumes.machine import Machine as Volumes
from tests.conftest import Filesystem, sh


class Units:
    """A manager of units; what starts and stops is up to the test."""

    def __init__(self) -> None:
        self.running_units: set[str] = set()
        self.log: list[str] = []
        self.on_stop: Callable[[], None] = lambda: None

    def with_others(self, units: Collection[str]) -> tuple[str, ...]:
        if missing := set(units) - self.running_units:
            raise CommandError(f"systemctl: {missing} is not loaded")
        return tuple(units)

    def running(self, units: Collection[str]) -> tuple[str, ...]:
        return tuple(unit for unit in units if unit in self.running_units)

    def stop(self, units: Collection[str]) -> tuple[str, ...]:
        self.log.append(f"stop {' '.join(units)}")
        self.running_units -= set(units)
        self.on_stop()
        return ()

    def start(self, units: Collection[str]) -> None:
        self.log.append(f"start {' '.join(units)}")
        self.running_units |= set(units)


class Teller:
    """What a job says that it is at."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.sizes: list[copying.Size | None] = []

    def step(self, words: str, size: copying.Size | None = None) -> None:
        self.steps.append(words)
        self.sizes.append(size)

    def at(self, progress: copying.Progress) -> None:
        pass


@dataclass
class Machine:
    """The machine; its configuration is one file, and the drop-ins are read by a loader of its own."""

    filesystem: Filesystem
    root: Path
    config: Path
    units: Units = field(default_factory=Units)
    teller: Teller = field(default_factory=Teller)
    compiled: int = 0
    volume: bytes = b"/persist"
    text: bytes | None = None  # what is declared; None: what was asked for
    cancelled: Callable[[], bool] = lambda: False

    @property
    def persist(self) -> Path:
        return self.root / "persist"

    @property
    def drop_ins(self) -> Path:
        return self.config.parent / "config.d"

    def configure(self, text: str = '[persist."/persist"]\n') -> None:
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text(f'[[volume]]\nmountpoint = "{self.root}"\npath = "/"\n{text}')

    def ground(self, volumes: Volumes) -> Ground:
        return Ground(
            root=os.fsencode(self.root),
            config=load(None, default=os.fsencode(self.config)),
            machine=volumes,
            drop_ins=os.fsencode(self.drop_ins),
            services=self.units,
            check=self.compile,
            compile=self.compile,
            told=self.teller,
            cancelled=lambda: self.cancelled(),
        )

    def compile(self) -> None:
        load(None, default=os.fsencode(self.config))
        self.compiled += 1

    def work(self, act: Callable[[Ground, Book], object]) -> object:
        """Do as a command does: what was cut comes first."""
        with Volumes(load(None, default=os.fsencode(self.config)).volumes) as volumes:
            ground = self.ground(volumes)
            with Book(volumes) as book:
                if run.recover(ground, book):
                    ground = self.ground(volumes)
                return act(ground, book)

    def request(self, path: str, *stop: str, method: str = BIND, replaces: bool = False) -> Request:
        kind = "directories" if (self.root / path[1:]).is_dir() else "files"
        entry = f'{{path = "{path}", method = "{method}"}}'
        text = f'[persist."{os.fsdecode(self.volume)}"]\n{kind} = [{entry}]\n'.encode()
        text = text if self.text is None else self.text
        return Request(os.fsencode(path), self.volume, text, stop, method=method, replaces=replaces)

    def adopt(
        self, path: str, *stop: str, method: str = BIND, replaces: bool = False
    ) -> tuple[Job, list[str]]:
        request = self.request(path, *stop, method=method, replaces=replaces)
        found = self.work(lambda ground, book: begin(ground, book, request))
        assert isinstance(found, tuple)
        return found

    def give_back(self, path: str, *stop: str) -> tuple[Job, list[str]]:
        found = self.work(lambda ground, book: begin_back(ground, book, os.fsencode(path), stop))
        assert isinstance(found, tuple)
        return found

    def undo(self) -> Job:
        found = self.work(lambda ground, book: run.undo(ground, book, None, ()))
        assert isinstance(found, tuple) and isinstance(found[1], Job)
        return found[1]

    def undo_list_is_over(self) -> None:
        """Every job is older than old roots are kept."""

        for job in self.jobs():
            self.work(lambda _, book, job=job: book.save(job._replace(time=0)))  # type: ignore[misc]
        self.work(lambda ground, book: run.expire(ground, book))

    def recover(self) -> None:
        self.work(lambda ground, book: None)

    def jobs(self) -> list[Job]:
        with Volumes(load(None, default=os.fsencode(self.config)).volumes) as volumes, Book(volumes) as book:
            return book.jobs()

    def mounted(self, path: str) -> bool:
        return os.fsencode(self.root / path[1:]) in [one.path for one in mounts.read()]

    def declared(self) -> set[bytes]:
        return {one.path for one in load(None, default=os.fsencode(self.config)).declarations}

    def trash(self) -> list[Path]:
        return list(self.persist.glob(".impermanence-tidied/*/content"))

    def reboot(self, *, wipe: bool = True) -> None:
        """Shut down, put the root back to its blank, and mount what is declared, as the boot does."""
        self.shut_down()
        self.come_up(wipe=wipe)

    def shut_down(self) -> None:
        for mount in reversed(mounts.read()):
            if within(mount.path, os.fsencode(self.root)):
                sh("umount", mount.path)
        self.filesystem.mounts.remove(self.root)

    def come_up(self, *, wipe: bool = False) -> None:
        top = self.filesystem.top
        if wipe:
            (top / "root").rename(top / f"old_roots/{len(list(top.glob('old_roots/*')))}")
            self.filesystem.snapshot("root-blank", "root")
        self.filesystem.mount(self.root, "subvol=root")
        sh("mount", "-t", "btrfs", "-o", "subvol=persist", self.filesystem.device, self.persist)
        for placement in load(None, default=os.fsencode(self.config)).placements:
            path = os.fsdecode(placement.declaration.path)[1:]
            if not (source := self.persist / path).exists():
                continue
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            if placement.method != BIND:  # tmpfiles makes what is not there
                if not os.path.lexists(self.root / path):
                    if placement.method == SYMLINK:
                        (self.root / path).symlink_to(f"/persist/{path}")
                    else:
                        sh("cp", "-a", source, self.root / path)
                continue
            (self.root / path).mkdir(exist_ok=True) if source.is_dir() else (self.root / path).touch()
            sh("mount", "--bind", source, self.root / path)
