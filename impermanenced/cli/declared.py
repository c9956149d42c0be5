"""The state of each declaration, as `status --persist` shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ..keep.state import Declared, State
from ..keep.strays import Found
from ..text import to_text
from . import strays, wording
from .output import Style

MOST = 20  # active declarations that are listed, unless all are asked for
_TITLES = {State.INCONSISTENT: "inconsistent", State.INACTIVE: "not active", State.ACTIVE: "active"}


def text(
    found: Sequence[Declared], others: Found | None, *, whole: bool, columns: int, style: Style
) -> str:
    """Return the states for a person, those first that want something done, and what nothing declares."""
    counts = Counter(one.state for one in found)
    lines = [style.bold(_answer(counts, found))]
    for state, title in _TITLES.items():
        some = [one for one in found if one.state is state]
        if some:
            most = len(some) if whole or state is not State.ACTIVE else MOST
            lines += ["", f"  {title}:", *_rows(some[:most], columns)]
            if len(some) > most:
                lines.append(f"    and {len(some) - most:,} more (--all shows them)")
    if others is not None:
        lines += strays.section(others, whole=whole, columns=columns)
    if not found:
        lines += ["", "Declare what is to last:  impermanence suggest"]
    return "\n".join(lines) + "\n"


def _answer(counts: Counter[State], found: Sequence[Declared]) -> str:
    if not found:
        return "nothing is declared."
    each = ", ".join(f"{counts[state]:,} {title}" for state, title in _TITLES.items() if counts[state])
    return f"{wording.plural(len(found), 'declaration')}: {each}."


def _rows(found: Sequence[Declared], columns: int) -> Iterator[str]:
    for one in found:
        head = f"    {wording.homely(to_text(one.path))}{'/' if one.directory else ''}  "
        words = f"{one.words} (by the initrd)" if one.early else one.words
        yield from wording.wrap(words, columns, head, " " * 6)
        if one.hint:
            colon = ":" if one.commands else ""
            yield from wording.wrap(f"hint: {one.hint}{colon}", columns, " " * 6, " " * 12)
            yield from (f"{' ' * 12}{command}" for command in one.commands)
