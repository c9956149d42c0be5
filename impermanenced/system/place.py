"""A directory here or on another machine (`ssh:HOST:PATH`), in which programs work on streams."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO

from ..errors import CommandError, UsageError
from ..text import to_text
from . import command

SSH = "ssh:"
HINT = "a directory, or ssh:[USER@]HOST:/PATH"


@dataclass(frozen=True, slots=True)
class Place:
    """A directory, and the words that run a program on its machine."""

    host: str | None  # None: this machine
    path: str  # absolute

    @property
    def shown(self) -> str:
        """Return the place for a person."""
        where = self.path if self.host is None else f"{SSH}{self.host}:{self.path}"
        return to_text(os.fsencode(where))

    def argv(self, words: Sequence[str]) -> list[str]:
        """Return the words that run a program there."""
        if self.host is None:
            return list(words)
        return ["ssh", "-o", "BatchMode=yes", "--", self.host, shlex.join(words)]

    def run(self, words: Sequence[str], timeout: float = 600.0) -> str:
        """Return what a program there says.  Raises CommandError."""
        return command.run(self.argv(words), timeout=timeout).decode("utf-8", "surrogateescape")

    def has(self, name: str) -> bool:
        """Return whether there is something of this name in the directory."""
        try:
            self.run(["test", "-e", f"{self.path}/{name}"])
        except CommandError as error:
            if error.hint is not None:  # the program itself is missing
                raise
            return False
        return True

    def is_btrfs(self) -> bool:
        """Return whether the directory is on a BTRFS.  Raises CommandError if there is no such directory."""
        return self.run(["stat", "--file-system", "--format=%T", f"{self.path}/."]).strip() == "btrfs"

    def feed(self, words: Sequence[str], write: Callable[[int], None]) -> None:
        """Run a program there, which reads what `write` writes to a descriptor.  Raises CommandError."""
        with subprocess.Popen(self.argv(words), stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdin is not None
            with process.stdin as pipe:
                failed = _try(lambda: write(pipe.fileno()))
            _end(process, words, failed)

    def drain(self, words: Sequence[str], read: Callable[[IO[bytes]], None]) -> None:
        """Run a program there, whose output `read` reads.  Raises CommandError."""
        with subprocess.Popen(self.argv(words), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            with process.stdout as pipe:
                failed = _try(lambda: read(pipe))
            _end(process, words, failed)


def _try(work: Callable[[], None]) -> OSError | None:
    try:
        work()
    except OSError as error:  # what the program says about it comes first
        return error
    return None


def _end(process: subprocess.Popen[bytes], words: Sequence[str], failed: OSError | None) -> None:
    """Wait for a program.  Raises CommandError if it failed, or what went wrong on this side of it."""
    assert process.stderr is not None
    said = process.stderr.read()
    if process.wait() != 0:
        last = to_text(said.strip().rpartition(b"\n")[2]) or "it said nothing"
        raise CommandError(f"{words[0]} failed with status {process.returncode}: {last}")
    if failed is not None:
        raise failed


def parse(word: str) -> Place:
    """Return the place that a word on the command line means.  Raises UsageError."""
    if not word.startswith(SSH):
        return Place(None, os.path.abspath(word))
    host, colon, path = word.removeprefix(SSH).rpartition(":")
    if not colon or not host or host.startswith("-") or not path.startswith("/"):
        raise UsageError(f"{to_text(os.fsencode(word))} is no place", HINT)
    return Place(host, path)
