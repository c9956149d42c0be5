"""The facts that are known of a path, and a rule as a file has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

# The loss classes, and what a loss of each weighs when a rule has no score of its own.
SCORES = {
    "secret": 95,
    "database": 85,
    "document": 75,
    "service-state": 55,
    "subvolume": 50,
    "config": 45,
    "unknown": 40,
    "history": 25,
    "log": 15,
    "cache": 5,
}
CRUD, REGENERATED, IGNORED = "crud", "regenerated", "ignored"
VERDICTS = (CRUD, REGENERATED, IGNORED)
PERSIST_DIRECTORY, PERSIST_FILE = "persist-directory", "persist-file"
ADVICE = (
    PERSIST_DIRECTORY,
    PERSIST_FILE,
    "ignore",
    "home-manager",
    "plasma-manager",
    "stylix",
    "dotfile",
    "state-directory",
)
# The kinds whose argument is a path; for the others it is an option or a name.
ADVICE_WITH_PATH = (PERSIST_DIRECTORY, PERSIST_FILE, "ignore", "dotfile")
BY_ITSELF = "*"  # the application is called as the directory or file that the rule names


class Advice(NamedTuple):
    """One thing that can be done.

    The argument is the path to persist, to ignore or to keep among the dotfiles; or the option of
    home-manager, plasma-manager or stylix that makes the file; or the name for `StateDirectory=`.
    """

    kind: str  # one of ADVICE
    argument: str  # a path as `text.to_text` writes it


@dataclass(frozen=True, slots=True)
class Fact:
    """The facts that the rules give for one path."""

    application: str
    loss: str  # loss class
    score: int  # 0 to 100, before the circumstances of the loss change it
    verdict_hint: str  # crud, regenerated or ignored
    root: bytes  # the file or directory that the rule names, by which to group and what to persist
    advice: tuple[Advice, ...]  # the best first; empty if there is no loss
    source: str  # for a person: "servarr.toml: Sonarr's database"
    documented: str  # an address or a man page
    default: bool = False  # whether only the place is known, and not the application
    because: str = ""  # for a person: the source, and where it is documented


@dataclass(frozen=True, slots=True)
class Rule:
    """One `[[rule]]` of a file."""

    file: str  # the name of the file without its directory
    line: int  # 0 if the rule was read from the compiled form
    application: str
    what: str
    paths: tuple[str, ...]
    loss: str
    score: int
    verdict: str
    part: bool  # whether it is grouped and persisted with what the rule around it names
    default: bool
    advice: tuple[tuple[str, str], ...]  # kind and argument, which may be empty or begin with ~/
    documented: str
    names: tuple[str, ...] = ()  # in place of paths: they match at any depth below what programs keep
    whole: bool = False  # whether names below it say nothing
    examples: tuple[str, ...] = ()
