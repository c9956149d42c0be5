"""Declared files as they are: as declared, missing, or changed by hand; and the change taken back."""

from __future__ import annotations

import contextlib
import difflib
import enum
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..config.given import Given
from ..config.placement import SYMLINK
from ..kernel import openat2
from ..report.synced import LARGEST, has_content
from ..text import to_text
from . import seeds

SHOWN = 1 << 20  # bytes of a file whose changes are shown


class Condition(enum.StrEnum):
    """The conditions of a declared file."""

    HOLDS = "as-declared"
    MISSING = "missing"
    CHANGED = "changed"
    NO_SOURCE = "no-source"


@dataclass(frozen=True, slots=True)
class Found:
    """A declared file as it is."""

    given: Given
    condition: Condition
    words: str


def examine(files: Sequence[Given], root: int) -> list[Found]:
    """Return the declared files as they are; `root` is a descriptor of the system's "/"."""
    return [Found(one, *_condition(one, root)) for one in files]


def _condition(one: Given, root: int) -> tuple[Condition, str]:
    source = to_text(one.source)
    try:
        if not stat.S_ISREG(openat2.facts(root, one.source).st_mode):
            return Condition.NO_SOURCE, f"its source {source} is no regular file"
    except OSError as error:
        return Condition.NO_SOURCE, f"its source {source}: {error.strerror}"
    try:
        facts = openat2.facts(root, one.path)
    except FileNotFoundError:
        return Condition.MISSING, "it is not there: impermanence apply makes it"
    except OSError as error:
        return Condition.CHANGED, f"it cannot be looked at: {error.strerror}"
    if one.placement.method == SYMLINK:
        if stat.S_ISLNK(facts.st_mode) and openat2.target(root, one.path) == one.source:
            return Condition.HOLDS, f"a link to {source}"
        return Condition.CHANGED, f"it is no link to {source} any more"
    if not stat.S_ISREG(facts.st_mode):
        return Condition.CHANGED, "it is no regular file"
    if has_content(root, one.path, one.source):
        return Condition.HOLDS, f"a copy of {source}"
    return Condition.CHANGED, f"it is not as {source}"


def changes(one: Given, root: int) -> Iterator[str]:
    """Yield what was changed by hand, as diff(1) shows it with -u; what is no text says so."""
    texts: list[list[str]] = []
    for path in (one.source, one.path):
        try:
            content = openat2.read(root, path, SHOWN + 1)
        except OSError as error:
            yield f"{to_text(path)}: {error.strerror}"
            return
        if b"\0" in content or len(content) > SHOWN:
            yield f"{to_text(path)} is no text, or too large to be shown"
            return
        texts.append(content.decode("utf-8", "surrogateescape").splitlines())
    names = f"a{to_text(one.source)}", f"b{to_text(one.path)}"
    for line in difflib.unified_diff(texts[0], texts[1], *names, lineterm=""):
        yield to_text(line.replace("\t", "    ").encode("utf-8", "surrogateescape"))


def update(one: Given, root: int) -> None:
    """Take the change of a declared file back into its source, and make a link one again.

    Raises OSError: EINVAL if the file is no regular one, EPERM if others can change names around its source.
    """
    facts = openat2.facts(root, one.path)
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(errno.EINVAL, "no regular file", one.path)
    if facts.st_size > LARGEST:
        raise OSError(errno.EFBIG, "too large for a declared file", one.path)
    if not seeds.is_roots(root, os.path.dirname(one.source)):
        why = f"the directory of {to_text(one.source)} is not root's alone"
        raise PermissionError(errno.EPERM, why, one.path)
    seeds.sow(root, one.path, one.source)
    if one.placement.method == SYMLINK:
        _link_again(one, root, facts)


def _link_again(one: Given, root: int, facts: os.stat_result) -> None:
    directory, name = os.path.split(one.path)
    fd = openat2.open_directory(root, directory, os.O_RDONLY)
    try:
        new = b".%s.impermanence" % name[:200]
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new, dir_fd=fd)
        os.symlink(one.source, new, dir_fd=fd)
        os.chown(new, facts.st_uid, facts.st_gid, dir_fd=fd, follow_symlinks=False)
        os.rename(new, name, src_dir_fd=fd, dst_dir_fd=fd)
    finally:
        os.close(fd)
