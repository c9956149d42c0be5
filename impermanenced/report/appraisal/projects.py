"""What a project says of itself: the output of its builds, and what its git ignores.

    CACHEDIR.TAG                                   everything in that directory is a cache
    `target` beside Cargo.toml, `_build` beside    made again by the build that the manifest is for
    mix.exs, and so on
    .gitignore, .git/info/exclude                  what git ignores in a work tree that is new

Only files are read, never git or a build tool run: both run what a project names.  All of them are found in
what differs from the blank, so nothing is searched for.  Each speaks for the files of its own owner alone, so
nobody can hide another user's loss by laying one beside it, and none speaks for a secret or a database: what
git ignores is on no remote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...lazy import regex
from ...losses import LossClass
from ...model import LOSSES, Change, FileType, Verdict
from ...paths import Inherited
from ...text import to_text
from ..knowledge import recognise
from .finding import Finding
from .ignore_files import LARGEST, IgnoreFile, parse
from .volume_facts import VolumeFacts

TAG = b"CACHEDIR.TAG"
_TAGGED = regex(rb"Signature: 8a477f597d28d172789f06886806bc55")  # https://bford.info/cachedir/
IGNORE, EXCLUDE = b".gitignore", b"/.git/info/exclude"
MOST_FILES = 500  # tags and ignore files of one report that are read
MOST_PATTERNS = 2000  # patterns in them
MOST_TESTS = 3_000_000  # names that are tried with one of them
LOOKED_INTO = 1000  # ignored files of one report of which the beginning is read
HEAD = 64  # bytes that are read of one

# The directory that a build makes: the manifests beside it that say so; `*` stands for the rest of a name.
BUILDS: Mapping[bytes, tuple[bytes, ...]] = {
    b"target": (b"Cargo.toml", b"pom.xml", b"build.sbt", b"project.clj"),
    b"_build": (b"mix.exs", b"dune-project", b"rebar.config", b"conf.py"),
    b"deps": (b"mix.exs",),
    b"dist": (b"package.json", b"pyproject.toml", b"setup.py"),
    b"build": (
        b"CMakeLists.txt", b"build.gradle", b"build.gradle.kts", b"meson.build", b"pubspec.yaml",
        b"pyproject.toml", b"setup.py",
    ),
    b"out": (b"package.json", b"build.gradle", b"build.gradle.kts"),
    b"coverage": (b"package.json",),
    b"vendor": (b"composer.json",),
    b"venv": (b"pyproject.toml", b"setup.py", b"requirements.txt"),
    b"Pods": (b"Podfile",),
    b"_site": (b"_config.yml",),
    b"public": (b"hugo.toml", b"hugo.yaml"),
    b"obj": (b"*.csproj", b"*.fsproj"),
    b"bin": (b"*.csproj", b"*.fsproj"),
    b"Library": (b"ProjectSettings",),
    b"Temp": (b"ProjectSettings",),
    b"Intermediate": (b"*.uproject",),
    b"DerivedDataCache": (b"*.uproject",),
    b".import": (b"project.godot",),
    b"_book": (b"book.json",),
    b"book": (b"book.toml",),
}  # fmt: skip
_MANIFESTS = frozenset(name for names in BUILDS.values() for name in names if not name.startswith(b"*"))
_ENDINGS = tuple(sorted({name[1:] for names in BUILDS.values() for name in names if name.startswith(b"*")}))

_NAMES = _MANIFESTS | {TAG, IGNORE, b"HEAD", b"exclude"}
_LAST = (*_ENDINGS, *(b"/" + name for name in sorted(_NAMES)))

# What is said of everything below a directory: why it is no loss, and whose files that counts for.
_Said = tuple[str, int] | None


class _Marks:
    """The files by which projects speak, found among what differs from the blank."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.tags: dict[bytes, int] = {}  # directory: owner of the file
        self.ignore: dict[bytes, dict[bytes, int]] = {}  # directory: {file: owner}
        self.trees: dict[bytes, int] = {}  # directory with a repository: owner of its head
        self.manifests: dict[bytes, dict[bytes, int]] = {}  # directory: {manifest: owner}
        for finding in findings:
            difference = finding.judged.difference
            path = difference.path
            if not path.endswith(_LAST):  # one look for most
                continue
            name = path[path.rfind(b"/") + 1 :]
            if (name in _NAMES or name.endswith(_ENDINGS)) and difference.change is not Change.DELETED:
                self._note(path, path[: path.rfind(b"/")], name, difference.uid)

    def _note(self, path: bytes, directory: bytes, name: bytes, owner: int) -> None:
        if name == TAG:
            self.tags[directory] = owner
        elif name == IGNORE:
            self.ignore.setdefault(directory, {})[path] = owner
        elif path.endswith(EXCLUDE):
            self.ignore.setdefault(path[: -len(EXCLUDE)], {})[path] = owner
        elif name == b"HEAD" and directory.endswith(b"/.git"):
            self.trees[directory[: -len(b"/.git")]] = owner
        else:
            self.manifests.setdefault(directory, {})[name] = owner


class _Projects:
    """What projects say, asked path by path."""

    def __init__(self, facts: VolumeFacts, marks: _Marks) -> None:
        self._facts = facts
        self._marks = marks
        self._left = MOST_FILES
        self._patterns, self._tests = MOST_PATTERNS, MOST_TESTS
        self._said: Inherited[_Said] = Inherited(None, self._below)
        self._files: dict[bytes, tuple[IgnoreFile, ...]] = {}
        self._trees: Inherited[bytes] = Inherited(
            b"", lambda tree, path: path if path in marks.trees else tree
        )
        self._ignored: dict[bytes, str] = {}

    def of_directory(self, path: bytes) -> _Said:
        """Return what is said of everything below the directory of a path."""
        return self._said[path[: path.rfind(b"/")]]

    def _below(self, above: _Said, path: bytes) -> _Said:
        if above is not None:
            return above
        owner = self._marks.tags.get(path)
        if owner is not None and _TAGGED.match(self._read(path + b"/" + TAG, owner)):
            return f"{to_text(path)} is a cache, says its {TAG.decode()}", owner
        directory, _, name = path.rpartition(b"/")
        for manifest in BUILDS.get(name, ()):
            for there, owner in self._marks.manifests.get(directory, {}).items():
                if there == manifest or (manifest[:1] == b"*" and there.endswith(manifest[1:])):
                    return f"a build makes it again: {to_text(path)} lies beside {to_text(there)}", owner
        return None

    def ignored(self, finding: Finding) -> str:
        """Return why git ignores a file, in words, or ""."""
        difference = finding.judged.difference
        path = difference.path
        tree = self._trees[path[: path.rfind(b"/")]]
        if not tree or self._marks.trees[tree] != difference.uid or path.startswith(tree + b"/.git/"):
            return ""
        found = self._decide(tree, path, difference.type is FileType.DIRECTORY)
        return f"git ignores it: {found}" if found else ""

    def _decide(self, tree: bytes, path: bytes, directory: bool) -> str:
        """Return the line that ignores a path of a work tree, with its file, or "".  Nothing below an ignored
        directory can be included again.
        """
        above = path[: path.rfind(b"/")]
        if len(above) > len(tree):
            known = self._ignored.get(above)
            if known is None:
                known = self._ignored[above] = self._decide(tree, above, True)
            if known:
                return known
        while True:
            for file in reversed(self._of(above)):
                self._tests -= len(file.patterns)
                if self._tests < 0:
                    self._facts.say("not everything was compared with what projects have their git ignore")
                    return ""
                decided = file.decide(path, directory)
                if decided is not None:
                    return decided
            if above == tree:
                return ""
            above = above[: above.rfind(b"/")]

    def _of(self, directory: bytes) -> tuple[IgnoreFile, ...]:
        found = self._files.get(directory)
        if found is None:
            named = sorted(self._marks.ignore.get(directory, {}).items())
            found = tuple(self._parsed(directory, file, owner) for file, owner in named)
            self._files[directory] = found
        return found

    def _parsed(self, directory: bytes, file: bytes, owner: int) -> IgnoreFile:
        found = parse(directory, file, self._read(file, owner), self._facts.say, self._patterns)
        self._patterns -= len(found.patterns)
        return found

    def _read(self, file: bytes, owner: int) -> bytes:
        """Return the beginning of a file of its owner; of a link, or what is no file, nothing."""
        if self._left <= 0:
            self._facts.say(f"of projects only {MOST_FILES} ignore files and cache tags are read")
            return b""
        self._left -= 1
        try:
            return self._facts.read_of(file, LARGEST + 1, owner)
        except OSError:
            return b""


def excuse_projects(facts: VolumeFacts, findings: Sequence[Finding]) -> None:
    """Set the verdict of what projects say is made again, or ignored."""
    marks = _Marks(findings)
    if not (marks.tags or marks.trees or marks.manifests):
        return
    projects = _Projects(facts, marks)
    left = LOOKED_INTO
    for finding in _open(findings):
        difference = finding.judged.difference
        said = projects.of_directory(difference.path)
        if said is not None and said[1] == difference.uid:
            _set(finding, said[0])
        elif (
            marks.trees and (words := projects.ignored(finding)) and not _dear(facts, finding, look=left > 0)
        ):
            left -= 1
            _set(finding, words)


def _open(findings: Sequence[Finding]) -> Iterator[Finding]:
    for finding in findings:
        judged = finding.judged
        wanted = finding.declared or finding.package or finding.loss is LossClass.SECRET
        gone = judged.hidden or judged.difference.change is Change.DELETED
        if finding.verdict in LOSSES and not (wanted or gone):
            yield finding


def _set(finding: Finding, words: str) -> None:
    finding.verdict, finding.rule, finding.loss = Verdict.IGNORED, words, LossClass.CACHE


def _dear(facts: VolumeFacts, finding: Finding, *, look: bool) -> bool:
    """Return whether a file is one that nobody wants to lose because git ignores it."""
    difference = finding.judged.difference
    if difference.type is not FileType.FILE:
        return False
    named = facts.knowledge.named(difference.path[difference.path.rfind(b"/") + 1 :])
    if named is not None:
        return named in _DEAR
    if not look or difference.size < 8:
        return False
    try:
        content = recognise(facts.read_of(difference.path, HEAD, difference.uid))
    except OSError:
        return False
    return content is not None and content.loss in _DEAR


_DEAR = (LossClass.SECRET, LossClass.DATABASE, LossClass.DOCUMENT)
