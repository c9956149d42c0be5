"""The arguments that several verbs have: their declaration, and the check of their words."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable

from ..errors import UsageError
from ..lazy import Deferred, NamedTuple, regex

difflib = Deferred("difflib")

_BACK = regex(r"-[0-9]+(\.\..*)?$")  # what is no option although it begins with a dash
_MOMENTS = "the number of a boot, -1 for the previous one, blank, now, or the name of an old root"
_UNIT = regex(r"[A-Za-z0-9:_.@\\-]{1,255}")
_BOOT = regex(r"0|-?[1-9][0-9]{0,8}")


def add_json(parser: argparse.ArgumentParser, what: str = "one JSON document") -> None:
    """Declare --json."""
    parser.add_argument("--json", action="store_true", help=f"print {what}, for programs")


def add_dry_run(
    parser: argparse.ArgumentParser, what: str = "say what would be done, and change nothing"
) -> None:
    """Declare --dry-run."""
    parser.add_argument("--dry-run", action="store_true", help=what)


class Trial(NamedTuple):
    """The options of a verb that has --dry-run alone."""

    dry_run: bool = False


def add_trial(parser: argparse.ArgumentParser) -> None:
    """Declare --dry-run and --json."""
    add_dry_run(parser)
    add_json(parser)


def trial(found: argparse.Namespace) -> Trial:
    return Trial(found.dry_run)


def add_yes(parser: argparse.ArgumentParser, what: str = "do not ask") -> None:
    """Declare --yes."""
    parser.add_argument("--yes", action="store_true", help=what)


def add_stop(parser: argparse.ArgumentParser) -> None:
    """Declare --stop."""
    parser.add_argument(
        "--stop",
        metavar="UNIT",
        action="append",
        default=[],
        help="stop a unit meanwhile, and start it again; can be given again",
    )


def units(words: Iterable[str]) -> tuple[str, ...]:
    """Return the names of units; one without a suffix is a service.  Raises UsageError."""
    found = []
    for word in words:
        if not _UNIT.fullmatch(word) or word.startswith("-"):
            raise UsageError(f"--stop {word}: that is no name of a unit", "for example --stop sonarr.service")
        found.append(word if "." in word else f"{word}.service")
    return tuple(dict.fromkeys(found))


def path(word: str) -> bytes:
    """Return the bytes of a path.  Raises UsageError if it is empty."""
    if not word:
        raise UsageError("an empty path")
    return os.fsencode(word)


def optional_path(word: str | None) -> bytes | None:
    return None if word is None else path(word)


def boot_number(word: str) -> int:
    """Return the number of a boot: N, or -1 for the previous one as in journalctl -b -1.  Raises
    UsageError.
    """
    if not _BOOT.fullmatch(word):
        raise UsageError(f"{word} is not the number of a boot", "a number of impermanence boots, or -1")
    return int(word)


def release_number(word: str) -> int:
    """Return the number of a release of the blank: N, or -1 for the one before the blank.  Raises
    UsageError.
    """
    if not _BOOT.fullmatch(word) or word == "0":
        hint = "a number of impermanence blank list, or -1"
        raise UsageError(f"{word} is not the number of a release", hint)
    return int(word)


def know_moments(parser: argparse.ArgumentParser) -> None:
    """Have a parser take -1 and -3..-1 for values, which argparse would take for options."""
    parser._negative_number_matcher = _BACK


def add_moments(parser: argparse.ArgumentParser, what: str) -> None:
    """Declare -b, whose value may begin with a dash: -1, or -3..-1."""
    know_moments(parser)
    parser.add_argument("-b", "--boot", metavar="BOOT", help=what)


def moment(word: str) -> str:
    """Return the word for one moment: a boot, blank, now, or the name of an old root.  Raises UsageError."""
    if not word or (word.startswith("-") and not _BOOT.fullmatch(word)):
        raise UsageError(f"{word!r} is not a boot", _MOMENTS)
    return word


def span(word: str) -> tuple[str, str]:
    """Return the two moments of A..B; A alone goes to now.  Raises UsageError."""
    was, dots, now = word.partition("..")
    return moment(was), moment(now) if dots else "now"


def add_boot(parser: argparse.ArgumentParser) -> None:
    """Declare the number of a boot."""
    parser.add_argument("number", metavar="N", help="the number of the boot, or -1 for the one before this")


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return a hint at the known word that was probably meant, or None."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f'did you mean "{close[0]}"?' if close else None
