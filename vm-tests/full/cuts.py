"""Power cuts during a piece of work: its writes to the disk are recorded once, and cut off anywhere.

A cut leaves what was flushed before it and, of the blocks written since, any: so one recording has all states
that cuts at any moment of the work can leave, and a seed tells them.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import write_log


@dataclass(frozen=True, slots=True)
class Recording:
    """A disk before the machine was switched on, and all that was written to it from then on."""

    before: Path
    log: Path
    first: int  # flushes when the work began
    last: int  # and when it had ended

    def states(self, count: int, draw: random.Random, disk: Path) -> Iterator[str]:
        """Make the disk what that many cuts have left, one after the other; yield where each was."""
        numbers = sorted(draw.randrange(self.first, self.last) for _ in range(count))
        state = self.before.with_suffix(".state")
        copy(self.before, state)
        for number, epoch in enumerate(write_log.epochs(self.log)):
            while numbers[:1] == [number]:
                some = draw.sample(epoch, draw.randrange(len(epoch) + 1))
                copy(state, disk)
                write_log.apply(disk, some)
                numbers.pop(0)
                yield (
                    f"after flush {number - self.first} of {self.last - self.first},"
                    f" {len(some)} of {len(epoch)} blocks more"
                )
            if not numbers:
                return
            write_log.apply(state, epoch)


def flushes(log: Path) -> int:
    return sum(1 for _ in write_log.epochs(log)) if log.stat().st_size else 0


def copy(disk: Path, to: Path) -> None:
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", disk, to], check=True)


def forget(recording: Recording) -> None:
    """Make room: a recording is as large as what was written."""
    for file in (recording.before, recording.log, recording.before.with_suffix(".state")):
        file.unlink(missing_ok=True)

