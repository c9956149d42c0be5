"""The appraisal of 100,000 drift entries in one process, all of them crud until it has looked.

There is no fair peer: nothing else says what a path is.  Memory is what the appraisal adds at its peak.
"""

from __future__ import annotations

import os
import statistics
import time
import tracemalloc
from collections.abc import Iterator

from impermanenced.appraisal import Ground, Judged, appraise
from impermanenced.asked import Nobody
from impermanenced.knowledge import load
from impermanenced.model import Change, Difference, FileType, Verdict, Volume

from . import ground

ENTRIES = 100_000
RUNS = 5
_PLACES = (
    b"/etc/thing%d/file%d", b"/var/lib/service%d/data/%d", b"/home/alice/.config/app%d/setting%d",
    b"/home/alice/code/project%d/source%d.c", b"/home/alice/.cache/app%d/%d", b"/opt/thing%d/lib/%d",
    b"/usr/lib/thing%d/%d.so", b"/var/log/thing%d/%d.log",
)  # fmt: skip


def _judged() -> list[Judged]:
    found = []
    for number in range(ENTRIES):
        path = _PLACES[number % len(_PLACES)] % (number // 800, number)
        difference = Difference(
            path, FileType.FILE, Change.CREATED, "+......", number, 4096, 0, 0, 0o644, 0, ctime=1
        )
        found.append(Judged(difference, Verdict.CRUD, "nothing declares it", None))
    return found


def run() -> Iterator[dict[str, object]]:
    with ground.filesystem("1G") as fs:
        root = os.fsencode(fs.subvolume("root"))
        judged = _judged()
        seconds = [_once(root, judged) for _ in range(RUNS)]
        tracemalloc.start()
        _once(root, judged)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    data = f"{ENTRIES // 1000}k entries"
    common = {"data": data, "peer": None, "theirs": None, "ratio": None}
    yield {**common, "ours": round(statistics.median(seconds), 3), "unit": "s"}
    yield {**common, "ours": round(peak / 2**20, 1), "unit": "MiB at the peak"}


def _once(root: bytes, judged: list[Judged]) -> float:
    volume = Volume("root", b"/", b"/", b"root", 256, None, None)
    began = time.monotonic()
    with Ground(volume, root, None, root, Nobody(), lambda homes: load(homes=homes), tuple, "") as asked:
        appraise(asked, judged, time.time())
    return time.monotonic() - began
