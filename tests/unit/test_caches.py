"""A drift of any size: what is remembered of directories while verdicts are made is bounded."""

import gc
import weakref
from collections.abc import Iterator, Mapping, Set

import pytest

from impermanenced import paths
from impermanenced.config.ignore import Patterns
from impermanenced.model import Change, Declaration, Difference, FileType, Verdict
from impermanenced.report.knowledge import DATA, Knowledge, load
from impermanenced.report.providers import packages, tmpfiles
from impermanenced.report.providers.packages import Packaged, Packages
from impermanenced.report.providers.tmpfiles import Tmpfiles
from impermanenced.report.rules import Rules
from impermanenced.system.unit_files import Owner, Units

MANY = 3000
FEW = 100


def differences() -> Iterator[Difference]:
    """Each in a directory of its own."""
    for number in range(MANY):
        path = b"/var/lib/thing/%d/a" % number
        yield Difference(path, FileType.FILE, Change.CREATED, "+......", number, 1, 0, 0, 0o644, 0)


def read(path: bytes, limit: int) -> bytes:
    raise FileNotFoundError(path)


class Books:
    """A package manager that knows one package."""

    tool = "dpkg"
    places: tuple[bytes, ...] = (b"/var/lib/dpkg",)

    def __init__(self) -> None:
        self.faults: dict[str, None] = {}

    def installed(self) -> Set[str]:
        return {"thing"}

    def brought(self) -> Set[str]:
        return set()

    def removed(self) -> Set[str]:
        return set()

    def files(self, package: str) -> list[bytes]:
        return [b"/var/lib/thing"]

    def files_removed(self, package: str) -> list[bytes]:
        return []

    def configuration(self) -> Mapping[bytes, Packaged]:
        return {}

    def owners(self, paths: frozenset[bytes]) -> Mapping[bytes, Packaged]:
        return {}


def sizes(*things: object) -> list[int]:
    """Of all that they remember by directory."""
    found = []
    for thing in things:
        for name in ("_places", "_directories", "_copies", "_around", "_states"):
            remembered = getattr(thing, name, None)
            if isinstance(remembered, dict):
                found.append(len(remembered))
    return found


def test_what_is_remembered_of_directories_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (paths, "MOST"),
        (packages, "REMEMBERED"),
        (tmpfiles, "REMEMBERED"),
    ):
        monkeypatch.setattr(module, name, FEW)
    declared = Declaration(b"/var/lib/thing/7", True, b"/persist", "config.toml")
    judge = Rules([declared], [], ["*.swp", "/var/lib/thing/9/"], [])
    ignoring = judge._patterns
    knowledge = load([DATA])
    managed = Packages(Books(), read)
    lines = Tmpfiles(tmpfiles.parse(b"C /etc/skel - - - -\n"))
    directories = Units({b"/var/lib/thing": Owner("thing.service", "state")})
    verdicts = {}
    managed.learn(differences())
    for one in differences():
        verdicts[one.path] = judge.judge(one)[0]
        assert managed.find(one) is None
        assert lines.rule_of(one, read) is None
        assert directories.of(one.path) == (b"/var/lib/thing", Owner("thing.service", "state"))
        assert knowledge.of(one.path, one.type) is not None
    assert [path for path, verdict in verdicts.items() if verdict is Verdict.DECLARED] == [
        b"/var/lib/thing/7/a"
    ]
    assert [path for path, verdict in verdicts.items() if verdict is Verdict.IGNORED] == [
        b"/var/lib/thing/9/a"
    ]
    remembered = sizes(judge, ignoring, managed, lines, directories, knowledge)
    assert len(remembered) >= 6 and 0 < max(remembered) <= FEW + 10, remembered


def test_what_is_asked_of_directories_goes_when_it_is_let_go() -> None:
    """In a cycle each report's would stay until the garbage is collected, and the daemon grow by it."""
    gc.disable()
    try:
        asked: list[Rules | Patterns | Units | Knowledge] = [
            Rules([], [], ["*.swp"], []),
            Patterns(["*.swp"]),
            Units({b"/var/lib/thing": Owner("thing.service", "state")}),
            load([DATA]),
        ]
        for one in asked:
            if isinstance(one, Rules):
                one.judge(next(differences()))
            elif isinstance(one, Patterns):
                one.decide(b"/a/b/c", False)
            elif isinstance(one, Units):
                one.of(b"/var/lib/thing/a")
            else:
                one.of(b"/var/lib/thing/a", FileType.FILE)
        left = [weakref.ref(one) for one in asked]
        del asked, one
        assert [type(ref()).__name__ for ref in left if ref() is not None] == []
    finally:
        gc.enable()
