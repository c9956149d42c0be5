"""What persist and unpersist have in common: a job that is recorded step by step, with what it holds open."""

from __future__ import annotations

import stat
import time

from ... import copying
from ...boots.records.job import Job, Step
from ...copying import Kind
from ...errors import ImpermanenceError
from ...model import TYPES
from ...text import first_of, to_text
from ..strays import Stray, inode_of
from ..trash import Trash
from . import changes
from .book import Book
from .changes import Place
from .ground import Ground
from .live import Live
from .store import Store

TRIES = 5  # copies of something that changes meanwhile
MOST = 3  # names of a list


class Work:
    """One job that is being made."""

    def __init__(self, ground: Ground, book: Book, job: Job, live: Live, store: Store) -> None:
        self.ground = ground
        self.book = book
        self.job = job
        self.live = live
        self.store = store
        self.notes: list[str] = []  # what a person has to know, although it was done

    def record(self, step: Step) -> None:
        """Write down the step that is made next."""
        self.job = self.book.save(self.job.at(step))

    def is_same_life(self) -> bool:
        """Return whether the volume is still in the life that the job was begun in."""
        return self.live.life() == self.job.life

    def stop(self, units: tuple[str, ...]) -> None:
        """Stop units, with what else has to stop for that; all of these are recorded first.

        Raises ImpermanenceError for one that does not stop.
        """
        if units:
            found = self.ground.services.with_others(units)
            self.job = self.book.save(self.job._replace(stopped=found))
            self.ground.told.step(f"stop {', '.join(found)}")
            if going_on := self.ground.services.stop(found):
                self.ground.go_on()  # Ctrl-C reaches the program that waits for them, too
                raise ImpermanenceError(f"not stopped: {', '.join(going_on)}", "systemctl status says why")

    def start(self) -> None:
        """Start the units that were stopped; after a reboot the boot has done so."""
        if self.job.stopped and self.is_same_life():
            self.ground.told.step(f"start {', '.join(self.job.stopped)}")
            try:
                self.ground.services.start(self.job.stopped)
            except ImpermanenceError as error:
                self.notes.append(error.message)

    def copy(
        self,
        source: int,
        name: bytes,
        target: int,
        as_name: bytes,
        words: str,
        *,
        in_place: bool = False,
    ) -> None:
        """Copy until the copy is the same as its source, which nobody has written to since it began.

        `words` say what is copied.  With `in_place` a file keeps its inode.  Raises ImpermanenceError if it
        never gets the same.
        """
        size = copying.measure(source, name, cancelled=self.ground.cancelled)
        changed: list[bytes] = []
        for _ in range(TRIES):
            began = changes.now()
            self.ground.told.step(words, size)
            if in_place and not self.job.directory:
                copying.refill(source, name, target, as_name)
            else:
                self._copy_tree(source, name, target, as_name)
            self.ground.told.step(f"compare the copy of {self.live.shown}", size)
            differences = copying.verify(
                *(source, name, target, as_name),
                progress=self.ground.told.at,
                cancelled=self.ground.cancelled,
            )
            changed = [b"/".join((name, *names)) for names in changes.since(source, name, began)]
            if not differences and not changed:
                self.job = self.job._replace(since=began)
                return
            changed = changed or [b"/".join((name, one.path)) for one in differences]
            changes.wait_after(began)  # what was written just before counts as written meanwhile
        raise ImpermanenceError(
            f"{self.live.shown} is not the same for long enough to be copied: {first_of(changed, MOST)}",
            "stop what writes there: --stop UNIT",
        )

    def _copy_tree(self, source: int, name: bytes, target: int, as_name: bytes) -> None:
        result = copying.copy(
            *(source, name, target, as_name),
            progress=self.ground.told.at,
            cancelled=self.ground.cancelled,
        )
        for one in result.lost:
            if one.kind is not Kind.VANISHED:
                path = to_text(b"/".join((self.live.path, one.path)))
                detail = f" ({one.detail})" if one.detail else ""
                raise ImpermanenceError(
                    f"{path}: its {one.kind}{detail} cannot be kept in {to_text(self.store.persist)}",
                    "choose another volume: --to",
                )

    def catch_up(self, old: Place, copy: Place, swapped: int) -> None:
        """Copy what was written to the old tree until it was swapped; what cannot be told is noted."""
        found = list(changes.since(*old, self.job.since))
        if left := changes.catch_up(old, copy, found, swapped):
            paths = [b"/".join((self.live.name, *names)) for names in left]
            self.notes.append(f"{first_of(paths, MOST)} was written to at the moment of the swap: look at it")

    def put_away(self) -> None:
        """Move the source to the trash of the persist volume."""
        store = self.store
        if (facts := store.facts()) is None:
            return
        gone = Stray(store.inside, b"/", TYPES[stat.S_IFMT(facts.st_mode)], 0, 0, False, 0, inode_of(facts))
        with Trash(store.base, writable=True) as trash:
            trash.sweep()
            trash.take(gone, time.time())
            trash.commit()
