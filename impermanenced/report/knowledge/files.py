"""Where rule files are, and whose may be trusted.

The package's own files are read in their compiled form, `compiled.json`, since a report must not
wait for TOML; a test holds the two together.  What an administrator adds is read as it stands.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from typing import Any

from ...text import to_text
from . import trie
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
    """The rules of these directories, in their order and in that of the files' names.

    A file that cannot be used is left out and said in `problems`; nothing is raised.  `homes` are
    the homes of people that are none of /root and /home/NAME.
    """
    rules: list[Rule] = []
    problems: list[str] = []
    for directory in directories:
        try:
            rules += compiled() if directory == DATA else _extensions(directory, problems)
        except Malformed as error:
            problems += error.problems
    return Knowledge(rules, problems, homes)


def compiled() -> list[Rule]:
    """The rules of the package."""
    with open(os.path.join(DATA, COMPILED), "rb") as stream:
        return [_restored(fields) for fields in json.load(stream)]


def _restored(fields: list[Any]) -> Rule:
    fields[4] = tuple(fields[4])
    fields[10] = tuple(map(tuple, fields[10]))
    fields[12] = tuple(fields[12])
    return Rule(*fields)


def compile(rules: Iterable[Rule]) -> str:
    """What `compiled` reads: a line for each rule, without what only a linter needs."""
    lines = []
    for rule in rules:
        fields = list(astuple(rule))
        fields[1] = 0
        lines.append(json.dumps(fields[:14], ensure_ascii=False, separators=(",", ":")))
    return "[\n" + ",\n".join(lines) + "\n]\n"


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
        # What a path costs grows with the wildcards that are in play, so all of them are bounded.
        wild += sum(trie.is_wild(text) for rule in rules for text in (*rule.paths, *rule.names))
        if wild > MAX_ALL_WILD:
            problems.append(f"{to_text(file)}: with this file there are more than {MAX_ALL_WILD} wildcards")
            return
        yield from rules


def read(file: bytes, *, trusted: bool) -> list[Rule]:
    """The rules of one file; Malformed.  One that is not `trusted` must be root's alone to change."""
    name = to_text(file)
    try:
        # A FIFO must not block, and a terminal must not become ours.
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
