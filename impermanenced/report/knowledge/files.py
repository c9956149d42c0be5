"""The places of rule files, and the check whose files may be trusted.

The package's own files are looked up in their compiled form, `compiled.json`, since a report must not
wait for TOML.  Where that is not whole, or was made from other files than those beside it, it is refused as
a whole, and the files are read.  The files of an administrator are always read as TOML.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ...text import to_text
from . import trie
from .compiled import Lines, Rules, Unusable, written
from .facts import Rule
from .lookup import Knowledge
from .parse import Malformed, parse

DATA = os.path.join(os.path.dirname(os.fsencode(__file__)), b"data")
EXTENSIONS = b"/etc/impermanence/knowledge.d"
COMPILED = b"compiled.json"

MAX_BYTES = 1 << 20
MAX_FILES = 64
MAX_ALL_WILD = 2048  # patterns with a wildcard in all files of a directory


def load(directories: Sequence[bytes] = (DATA, EXTENSIONS), homes: Iterable[bytes] = ()) -> Knowledge:
    """Return the rules of these directories, in their order and in that of the files' names.

    A file that cannot be used is left out, and `problems` of the result says why; nothing is raised.  `homes`
    are the homes of people outside of /root and /home.
    """
    rules: list[Rule] = []
    problems: list[str] = []
    lines: Lines | None = None
    for directory in directories:
        try:
            if directory == DATA:
                lines, own = _package(problems)
                rules[:0] = own
            else:
                rules += _extensions(directory, problems)
        except Malformed as error:
            problems += error.problems
    found = rules if lines is None else Rules(lines, rules)
    return Knowledge(found, problems, homes, lines)


def _package(problems: list[str]) -> tuple[Lines | None, list[Rule]]:
    """Return the compiled form of the package's rules, or else the rules, read from the files themselves."""
    path = os.path.join(DATA, COMPILED)
    try:
        return read_compiled(path, _sizes()), []
    except OSError as error:
        why = error.strerror or str(error)
    except Unusable as error:
        why = str(error)
    problems.append(f"{to_text(path)}: {why}; the rule files were read in its place, which takes long")
    return None, [rule for name in sorted(_sizes()) for rule in read(_in_data(name), trusted=True)]


def read_compiled(path: bytes, sources: Mapping[str, int]) -> Lines:
    """Return a compiled form that was made from files of these sizes.  Raises Unusable, also if whoever could
    change it is neither root nor the owner of this program, and OSError.
    """
    with open(path, "rb") as stream:
        found = os.fstat(stream.fileno())
        if found.st_uid not in (0, os.stat(__file__).st_uid) or found.st_mode & stat.S_IWOTH:
            raise Unusable("somebody else can change it")
        return Lines(stream.read(), sources)


def _sizes() -> dict[str, int]:
    """Return the sizes of the package's rule files by their names."""
    with os.scandir(DATA) as entries:
        return {os.fsdecode(one.name): one.stat().st_size for one in entries if one.name.endswith(b".toml")}


def _in_data(name: str) -> bytes:
    return os.path.join(DATA, os.fsencode(name))


def compile(rules: Sequence[Rule]) -> str:
    """Return the compiled form of the package's rules."""
    return written(rules, Knowledge(rules).roots, _sizes())


def _extensions(directory: bytes, problems: list[str]) -> Iterator[Rule]:
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(b".toml"))
        if names:
            _trusted(os.stat(directory), to_text(directory))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise Malformed([f"{to_text(directory)}: {error.strerror}"]) from None
    names = [name for name in names if not name.startswith(b".")]
    if len(names) > MAX_FILES:
        problems.append(f"{to_text(directory)}: only the first {MAX_FILES} of {len(names)} files are read")
    wild = 0
    for name in names[:MAX_FILES]:
        file = os.path.join(directory, name)
        try:
            rules = read(file, trusted=False)
        except Malformed as error:
            problems += error.problems
            continue
        # The time for a path grows with the wildcards that it meets, so their number is bounded.
        wild += sum(trie.is_wild(text) for rule in rules for text in (*rule.paths, *rule.names))
        if wild > MAX_ALL_WILD:
            problems.append(f"{to_text(file)}: with this file there are more than {MAX_ALL_WILD} wildcards")
            return
        yield from rules


def read(file: bytes, *, trusted: bool) -> list[Rule]:
    """Return the rules of one file.  Raises Malformed, also if a file that is not `trusted` is not root's
    alone.
    """
    name = to_text(file)
    try:
        # Opening a FIFO must not block, and a terminal must not become the controlling one.
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        with open(fd, "rb") as stream:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise Malformed([f"{name}: not a regular file"])
            if not trusted:
                _trusted(found, name)
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise Malformed([f"{name}: {error.strerror}"]) from None
    if len(content) > MAX_BYTES:
        raise Malformed([f"{name}: larger than {MAX_BYTES >> 20} MiB"])
    return parse(content, name)


def _trusted(found: os.stat_result, name: str) -> None:
    if found.st_uid != 0 or found.st_mode & stat.S_IWOTH:
        who = "anybody" if found.st_uid == 0 else f"user {found.st_uid}"
        raise Malformed([f"{name}: {who} can change it; it must be root's, and not writable for others"])
