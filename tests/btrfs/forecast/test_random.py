"""Whatever is written, mounted, linked and declared: each path is afterwards as the forecast said."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import hypothesis
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from .agreement import as_it_was_said
from .machine import Machine

DIRECTORIES = ("/srv", "/srv/data", "/srv/data/deep", "/var/lib/app", "/home/alice")
FILES = tuple(f"{directory}/{name}" for directory in DIRECTORIES for name in ("one", "two"))
PATHS = (*DIRECTORIES, *FILES, "/etc/hostname")
INSIDE = tuple(f"/persist{path}" for path in PATHS)
TARGETS = (*PATHS, *INSIDE, "one", "../two", "../../persist/srv/data", "/persist")

paths, contents, ages = st.sampled_from(PATHS), st.sampled_from(["1", "22", "33"]), st.sampled_from([0, 100])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), paths, contents, ages),
        st.tuples(st.just("persist"), paths, contents, ages),
        st.tuples(st.just("directory"), paths),
        st.tuples(st.just("link"), paths, st.sampled_from(TARGETS)),
        st.tuples(st.just("mount"), paths, contents, ages),
        st.tuples(st.just("mount"), st.sampled_from(DIRECTORIES), contents, ages),
        st.tuples(st.just("remove"), paths),
    ),
    min_size=3,
    max_size=14,
)
declared = st.lists(paths, max_size=3, unique=True)


def take(machine: Machine, step: tuple[str, ...]) -> None:
    """Do a step, if it can be done."""
    what, path, *more = step
    place = machine.top / "root" / path[1:]
    if os.path.realpath(place.parent) != os.fspath(place.parent) or place.is_symlink():
        return  # a link would lead out of this filesystem
    with contextlib.suppress(OSError):
        match what:
            case "write" | "persist":
                content, age = more
                machine.write(path, content, on="root" if what == "write" else "persist", age=int(age))
            case "directory":
                place.mkdir(parents=True)
            case "link":
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(more[0])
            case "mount":
                content, age = more
                mount(machine, path, content, int(age))
            case "remove":
                place.rmdir() if place.is_dir() else place.unlink()


def mount(machine: Machine, path: str, content: str, age: int) -> None:
    """Mount what the persist volume has for a path there, and some content, where no link is in the way."""
    source, where = machine.top / f"persist{path}", machine.root / path[1:]
    if os.path.realpath(where) != os.fspath(where):
        return
    if not source.exists():
        machine.write(f"{path}/one" if path in DIRECTORIES else path, content, on="persist", age=age)
    if where.exists() and where.is_dir() != source.is_dir():
        return
    machine.bind(path)


def can_be_declared(place: Path) -> bool:
    """Nothing but directories on the way, as far as there is anything."""
    return os.path.realpath(place) == os.fspath(place) and not any(above.is_file() for above in place.parents)


@hypothesis.settings(
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=steps, declared=declared)
def test_what_is_said_is_what_is_there(
    machine: Machine, steps: list[tuple[str, ...]], declared: list[str]
) -> None:
    machine.begin_anew()
    for step in steps:
        take(machine, step)
    can = [path for path in declared if can_be_declared(machine.root / path[1:])]
    machine.declare(*(path for path in can if not any(path.startswith(f"{other}/") for other in can)))
    report = machine.report()
    assert report.forecast is not None and report.forecast.spared is None
    as_it_was_said(machine, report)
