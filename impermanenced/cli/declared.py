"""The state of each declaration, as `status --persist` shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ..document.declared import states_to_json
from ..document.fields import printed
from ..document.strays import strays_to_json
from ..keep.state import Declared, State
from ..keep.strays import Found
from ..text import to_text
from . import output, source, strays, wording
from .output import Style
from .verb import Shared

MOST = 20  # active declarations that are listed, unless all are asked for
_TITLES = {State.INCONSISTENT: "inconsistent", State.INACTIVE: "not active", State.ACTIVE: "active"}


def show(shared: Shared, *, whole: bool) -> bool:
    """Write the states, all of them if `whole`, and return whether each declaration is kept."""
    found, others = source.declarations(shared.config), source.strays(shared.config)
    if shared.json:
        output.write(printed({**states_to_json(found), **strays_to_json(others)}))
    else:
        style, columns = output.style(shared), output.columns()
        output.write_long(text(found, others, whole=whole, columns=columns, style=style), shared)
    return all(one.kept for one in found)


def text(found: Sequence[Declared], others: Found | None, *, whole: bool, columns: int, style: Style) -> str:
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
