"""From a difference to what is known of it: verdict and reason, loss class, score, whose it is, what to do.

The rules of the configuration decide first (`rules`).  Of what they leave as crud it is asked, in this order:

    1  a link that NixOS or home-manager lays; a socket  regenerated
    2  the package manager: as packaged                regenerated
       part of what was installed since the blank      crud, one group
    3  a line of tmpfiles.d or sysusers.d              regenerated
    4  the knowledge of applications                   its class, score and advice; ignored: a cache
    5  a unit's directory                              "state of x.service"; ignored: a cache
    6  the lives before: there in each with the same   regenerated
       content; with other content each time           crud, and said: an identity wants persisting
    7  the first boot: made before it had settled      regenerated, unless 4 names it

What a person's session wrote is never put down to the boot.  Content is looked at last, at most 64 bytes of a
file, and raises what is known.
"""

from __future__ import annotations

import bisect
import functools
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from . import lives, score
from .asked import Asked, Span
from .kernel import beneath
from .knowledge import Fact, Knowledge, recognise
from .lives import Life, Lives, Past
from .managed import Packages, links, packages_of, tmpfiles
from .managed.packages import may_be_packaged
from .managed.tmpfiles import Sysusers, Tmpfiles
from .model import Change, Difference, Entry, FileType, Verdict, Volume, Writer
from .rules import HIDDEN
from .units import CACHE, LOGS, RUNTIME, STATE, WORDS, Units
from .wire import to_text

SNIFFED = 3000  # files of one report whose beginning is read
HEAD = 64  # bytes
SOCKET = "a socket, which holds nothing: its program makes it anew"
PACKAGE_SCORE = 40
UNPUSHED_SCORE = 80
REPOSITORIES = 200  # whose branches are looked at

_DIRECTORIES = (FileType.DIRECTORY, FileType.SUBVOLUME)
# What the boot may have made without anybody missing it; anything else is named by a rule for a reason.
_EXCUSED = ("unknown", "config", "service-state", "log", "history", "cache")
_LOOKED_INTO = ("unknown", "config", "service-state", "document", "history")
_SESSIONS = ("session", "user")
_GIT = b"/.git/"


class Judged(NamedTuple):
    """A difference, and what the configuration's rules say of it."""

    difference: Difference
    verdict: Verdict
    rule: str
    writer: Writer | None


@dataclass(slots=True)
class _View:
    """What was found of one difference so far."""

    judged: Judged
    verdict: Verdict
    rule: str
    loss: str = "unknown"
    known: int | None = None
    application: str = ""
    unit: str = ""
    package: str = ""
    group: bytes = b""
    lost: int = 0
    named: bool = False  # a rule of the knowledge is about it, not about its place alone
    because: tuple[str, ...] = ()
    advice: tuple[tuple[str, str], ...] = ()


def person(writer: Writer | None) -> bool:
    """Whether somebody's session wrote it."""
    if writer is None:
        return False
    if writer.kind:
        return writer.kind in _SESSIONS
    return writer.unit.startswith(("session-", "user@"))


class Ground:
    """What is asked about one volume, each part when it is first needed.  Close it.

    `root` is the volume's path for open(2), `system` where "/" of its system is mounted (None: nowhere).
    """

    def __init__(
        self,
        volume: Volume,
        root: bytes,
        blank: bytes | None,
        system: bytes | None,
        asked: Asked,
        knowledge: Callable[[Sequence[bytes]], Knowledge],
        lives: Callable[[], Sequence[Life]],
        boot_id: str,
    ) -> None:
        flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        self.volume = volume
        self.root = os.open(root, flags)
        self.blank = os.open(blank, flags) if blank is not None else None
        self._prefix = len(volume.path.rstrip(b"/"))
        self._is_system = volume.path == b"/"
        self._system = system
        self._asked = asked
        self._load = knowledge
        self._find_lives = lives
        self._boot_id = boot_id
        self._faults: dict[str, None] = {}

    def close(self) -> None:
        os.close(self.root)
        if self.blank is not None:
            os.close(self.blank)

    def __enter__(self) -> Ground:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def relative(self, path: bytes) -> bytes:
        return path[self._prefix :]

    def read(self, path: bytes, limit: int) -> bytes:
        return beneath.read(self.root, self.relative(path), limit)

    def read_blank(self, path: bytes, limit: int) -> bytes:
        if self.blank is None:
            raise FileNotFoundError(path)
        return beneath.read(self.blank, self.relative(path), limit)

    @functools.cached_property
    def homes(self) -> tuple[bytes, ...]:
        """Of people, where they are none of /home/NAME."""
        try:
            lines = self.read(b"/etc/passwd", 1 << 20).split(b"\n") if self._is_system else []
        except OSError:
            lines = []
        found = []
        for line in lines:
            words = line.split(b":")
            if len(words) == 7 and words[2].isdigit() and 1000 <= int(words[2]) < 65534:
                home = os.path.normpath(words[5])
                if home.count(b"/") > 1 and os.path.dirname(home) != b"/home":
                    found.append(home)
        return tuple(found[:1000])

    @functools.cached_property
    def knowledge(self) -> Knowledge:
        return self._load(self.homes)

    @functools.cached_property
    def packages(self) -> Packages | None:
        return packages_of(self.root, self.blank) if self._is_system else None

    @functools.cached_property
    def tmpfiles(self) -> Tmpfiles:
        if not self._has(b"usr/lib/tmpfiles.d") or self._system is None:
            return Tmpfiles()
        return tmpfiles.ask(self._system)

    @functools.cached_property
    def sysusers(self) -> Sysusers:
        if not self._has(b"usr/lib/sysusers.d") or self._system is None:
            return Sysusers(frozenset())
        return tmpfiles.ask_sysusers(self._system)

    def _has(self, directory: bytes) -> bool:
        if self._system is None or not self._is_system:
            return False
        try:
            os.close(beneath.open_directory(self.root, directory))
        except OSError:
            return False
        return True

    @functools.cached_property
    def units(self) -> Units:
        return self._asked.units(self.root) if self._is_system else Units({})

    @functools.cached_property
    def span(self) -> Span | None:
        return self._asked.span()

    def lives(self) -> Lives:
        """The caller's to close."""
        return Lives(self._find_lives(), self.root, self.blank, self._boot_id)

    def in_home(self, path: bytes) -> bool:
        return path.startswith((b"/home/", b"/root/")) or any(
            path.startswith(home + b"/") for home in self.homes
        )

    def faults(self) -> list[str]:
        """What could not be asked of all that was asked."""
        asked = vars(self)
        found: list[str] = list(self._faults)
        if "knowledge" in asked:
            found += self.knowledge.problems
        for name in ("packages", "tmpfiles", "sysusers"):
            if asked.get(name) is not None:
                found += asked[name].faults
        return list(dict.fromkeys(found))

    def say(self, fault: str) -> None:
        self._faults[fault] = None


def appraise(ground: Ground, judged: Iterable[Judged], now: float) -> list[Entry]:
    """Of one volume, sorted by path."""
    found = sorted(judged, key=lambda one: one.difference.path)
    views = [_View(one, one.verdict, one.rule) for one in found if one.verdict is Verdict.CRUD]
    if views:
        _excuse(ground, views)
        _learn(ground, views)
        _look_back(ground, views)
        _look_into(ground, views)
    entries = []
    crud = iter(views)
    for one in found:
        if one.verdict is Verdict.CRUD:
            entries.append(_entry(ground, next(crud), now))
        else:
            entries.append(Entry(ground.volume.name, one.difference, one.verdict, one.rule, None, one.writer))
    return entries


# 1 to 3: what manages itself


def _excuse(ground: Ground, views: Sequence[_View]) -> None:
    open_views = [view for view in views if not view.rule.startswith(HIDDEN)]
    packages = None
    if any(may_be_packaged(view.judged.difference.path) for view in open_views):
        packages = ground.packages
    if packages is not None:
        packages.learn(view.judged.difference for view in open_views)
    for view in open_views:
        difference = view.judged.difference
        rule = links.rule_of(difference)
        if difference.type is FileType.SOCKET and difference.change is not Change.DELETED:
            rule = SOCKET
        if rule is None and packages is not None:
            finding = packages.find(difference)
            if finding is not None and finding.verdict is Verdict.CRUD:
                _take_finding(view, finding.rule, finding.package, finding.loss)
            elif finding is not None:
                rule = finding.rule
        if rule is None and not view.package:
            rule = ground.tmpfiles.rule_of(difference, ground.read)
        if rule is None and not view.package and difference.path.startswith(b"/etc/"):
            rule = ground.sysusers.rule_of(difference, ground.read, ground.read_blank)
        if rule is not None:
            view.verdict, view.rule = Verdict.REGENERATED, rule


def _take_finding(view: _View, rule: str, package: str, loss: str | None) -> None:
    view.because = (rule,)
    view.package = package
    view.loss = loss or view.loss
    view.named = True
    if package:
        view.application = package
        view.known = PACKAGE_SCORE
        view.advice = (("declare-package", package),)


# 4 and 5: whose it is


def _learn(ground: Ground, views: Sequence[_View]) -> None:
    knowledge = ground.knowledge
    said = _Said()
    for view in views:
        if view.verdict is not Verdict.CRUD or view.package:
            continue
        difference = view.judged.difference
        fact = knowledge.of(difference.path, difference.type)
        if fact is not None:
            _take_fact(view, fact, said)
        if view.verdict is Verdict.CRUD and difference.path.startswith((b"/var/", b"/etc/", b"/run/")):
            _take_unit(view, ground.units)
        if difference.subvolume is not None:
            view.loss = "subvolume"


class _Said:
    """A fact's words and advice.  Thousands of paths share one fact, and comparing facts costs more."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Fact, str, tuple[tuple[str, str], ...]]] = {}

    def of(self, fact: Fact) -> tuple[Fact, str, tuple[tuple[str, str], ...]]:
        found = self._known.get(id(fact))
        if found is None:
            because = f"{fact.source} ({fact.documented})" if fact.documented else fact.source
            advice = tuple((advice.kind, advice.argument) for advice in fact.advice)
            # Keeping the fact keeps its id.
            found = self._known[id(fact)] = (fact, because, advice)
        return found


def _take_fact(view: _View, fact: Fact, said: _Said) -> None:
    _, because, advice = said.of(fact)
    difference = view.judged.difference
    if fact.verdict_hint == "crud":
        if not view.named:
            view.loss, view.known = fact.loss, fact.score
        # Where the place alone speaks, one file beside another makes no whole.
        lone = fact.default and fact.root == difference.path and difference.type not in _DIRECTORIES
        view.application, view.group = fact.application, b"" if lone else fact.root
        view.advice = advice
        view.because += (because,)
        view.named = view.named or not fact.default
        return
    whole = difference.change in (Change.CREATED, Change.REPLACED) or difference.type not in _DIRECTORIES
    if whole and not view.rule.startswith(HIDDEN) and difference.subvolume is None:
        view.loss, view.application = fact.loss, fact.application
        view.verdict = Verdict.REGENERATED if fact.verdict_hint == "regenerated" else Verdict.IGNORED
        view.rule = because


def _take_unit(view: _View, units: Units) -> None:
    found = units.of(view.judged.difference.path)
    if found is None:
        return
    directory, (unit, kind) = found
    view.unit = unit
    words = f"{WORDS[kind]} of {unit}: {to_text(directory)}"
    if kind in (CACHE, RUNTIME):
        if not view.named and view.judged.difference.change is not Change.DELETED:
            view.verdict, view.rule, view.loss = Verdict.IGNORED, words, "cache"
        return
    view.because += (words,)
    if not view.named:
        view.application = unit.rpartition(".")[0]
        view.group = directory
        if kind in (STATE, LOGS):
            view.loss, view.known = ("service-state" if kind == STATE else "log"), None
        view.advice = (("persist-directory", to_text(directory)),)


# 6 and 7: what the boot makes


def _look_back(ground: Ground, views: Sequence[_View]) -> None:
    crud = [view for view in views if view.verdict is Verdict.CRUD and not view.package]
    if not crud:
        return
    crud.sort(key=lambda view: os.path.split(view.judged.difference.path))
    with ground.lives() as past:
        for view in crud:
            difference = view.judged.difference
            if len(past):
                before = past.of(difference, ground.relative(difference.path))
                view.lost = before.lost
                _hold_against(ground, view, before)
            elif _excused_at_first(ground, view):
                view.verdict = Verdict.REGENERATED
                view.rule = "made before the boot had settled"
        if not past.complete:
            ground.say(f"not everything was looked up in the old roots: more than {lives.CANDIDATES:,} paths")


def _by_boot(ground: Ground, view: _View) -> bool:
    span = ground.span
    return span is not None and span.start <= view.judged.difference.ctime / 1e9 <= span.settled


def _hold_against(ground: Ground, view: _View, past: Past) -> None:
    if past.copied:
        view.because += ("it is here because an old root was booted again",)
        return
    writer = view.judged.writer
    by_boot = _by_boot(ground, view)
    if past.same and not person(writer):
        alone = past.same >= 2 and not ground.in_home(view.judged.difference.path)
        if by_boot or alone:
            view.verdict = Verdict.REGENERATED
            times = "the last boot" if past.same == 1 else f"each of the last {past.same} boots"
            view.rule = f"{times} had it too, with the same content"
            return
    if past.other and not person(writer):
        view.because += (
            f"comes back with other content at each boot (the last {past.other + 1}): what wants to stay"
            " the same has to be persisted",
        )
        if view.loss in ("unknown", "config") and by_boot:
            view.loss, view.known = "service-state", None


def _excused_at_first(ground: Ground, view: _View) -> bool:
    """Without old roots the mark alone tells, and it does not tell what an identity is."""
    if view.named or view.unit or view.loss not in _EXCUSED or person(view.judged.writer):
        return False
    difference = view.judged.difference
    if difference.change is Change.DELETED or difference.subvolume is not None:
        return False
    return not ground.in_home(difference.path) and _by_boot(ground, view)


# Content


def _look_into(ground: Ground, views: Sequence[_View]) -> None:
    crud = [
        view
        for view in views
        if view.verdict is Verdict.CRUD and view.judged.difference.change is not Change.DELETED
    ]
    _mark_repositories(ground, crud)
    left = SNIFFED
    for view in crud:
        difference = view.judged.difference
        if view.package or view.loss not in _LOOKED_INTO or difference.type is not FileType.FILE:
            continue
        if difference.size < 8 or difference.change is Change.METADATA:
            continue
        left -= 1
        if left < 0:
            break
        _take_content(ground, view)


def _take_content(ground: Ground, view: _View) -> None:
    difference = view.judged.difference
    try:
        head = beneath.read(ground.root, ground.relative(difference.path), HEAD, owner=difference.uid)
    except OSError:
        return
    content = recognise(head)
    known = score.WORTH[view.loss] if view.known is None else view.known
    if content is not None and score.WORTH[content.loss] > known:
        view.loss, view.known = content.loss, None
        view.because += (f"begins as a {content.what} does",)


def unpushed(ground: Ground, repository: bytes, uid: int) -> str | None:
    """What of a git repository's branch no remote is known to have; None: nothing, or it cannot be said.

    git itself is not asked: it runs what the repository's configuration names.
    """

    def line(name: bytes) -> bytes:
        path = ground.relative(repository) + _GIT + name
        try:
            return beneath.read(ground.root, path, HEAD, owner=uid).strip()
        except OSError:
            return b""

    head = line(b"HEAD")
    branch = head.removeprefix(b"ref: refs/heads/")
    if branch == head or not branch or b".." in branch or len(head) >= HEAD:
        return None
    commit = line(b"refs/heads/" + branch)
    if not commit:
        return None
    pushed = line(b"refs/remotes/origin/" + branch)
    if pushed == commit:
        return None
    what = f"git: {to_text(branch)}"
    return f"{what} is on no remote" if not pushed else f"{what} has commits that are not pushed"


def _mark_repositories(ground: Ground, crud: Sequence[_View]) -> None:
    """`crud` is sorted by path."""
    paths = [view.judged.difference.path for view in crud]
    repositories: dict[bytes, int] = {}
    for path, view in zip(paths, crud, strict=True):
        at = path.find(_GIT)
        if at > 0 and len(repositories) < REPOSITORIES:
            repositories.setdefault(path[:at], view.judged.difference.uid)
    for repository, uid in repositories.items():
        words = unpushed(ground, repository, uid)
        if words is not None:
            begin = bisect.bisect_left(paths, repository + b"/")
            end = bisect.bisect_left(paths, repository + b"0")  # the character after the slash
            for view in crud[begin:end]:
                _mark(view, repository, words)


def _mark(view: _View, repository: bytes, words: str) -> None:
    where = to_text(repository)
    view.because += (words,)
    view.group = repository
    if score.WORTH[view.loss] <= score.WORTH["document"]:
        view.loss, view.known = "document", UNPUSHED_SCORE
    view.advice = (("push", where), ("persist-directory", where))


# All of it


def _entry(ground: Ground, view: _View, now: float) -> Entry:
    judged = view.judged
    difference = judged.difference
    if view.verdict is not Verdict.CRUD:
        return Entry(
            ground.volume.name, difference, view.verdict, view.rule, view.loss, judged.writer,
            application=view.application, unit=view.unit,
        )  # fmt: skip
    figure = score.score(
        difference,
        view.loss,
        known=view.known,
        person=person(judged.writer),
        lost=view.lost,
        age=now - difference.ctime / 1e9 if difference.ctime else None,
    )
    return Entry(
        volume=ground.volume.name,
        difference=difference,
        verdict=view.verdict,
        rule=view.rule,
        loss=view.loss,
        writer=judged.writer,
        score=figure,
        application=view.application,
        unit=view.unit,
        package=view.package,
        group=view.group,
        lost=view.lost,
        because=view.because,
        advice=_advice(view),
    )


def _advice(view: _View) -> tuple[tuple[str, str], ...]:
    """Every loss has one."""
    difference = view.judged.difference
    if view.rule.startswith(HIDDEN):
        return (("copy", ""),)
    if difference.change is Change.DELETED:
        return (("blank", ""),)
    if view.advice:
        return view.advice
    kind = "persist-directory" if difference.type in _DIRECTORIES else "persist-file"
    return ((kind, to_text(difference.path)),)
