"""Documents to text.  The first line answers, the last one says what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..rules import HIDDEN
from ..wire import size_to_text
from . import words
from .act import Document, Explanation
from .rows import Row, rows

MIN_WIDTH = 60
_VERDICTS = {
    "persisted": "persisted",
    "declared": "declared",
    "regenerated": "made anew by the boot",
    "ignored": "ignored by you",
}


class Style:
    """Colour adds nothing that the words do not say."""

    def __init__(self, *, color: bool) -> None:
        self._color = color

    def bold(self, text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if self._color else text

    def dim(self, text: str) -> str:
        return f"\x1b[2m{text}\x1b[0m" if self._color else text


def status(
    document: Document,
    *,
    columns: int,
    now: float,
    style: Style,
    trial: bool = False,
    notices: Sequence[str] = (),
) -> str:
    """Of act.status's document.

    `trial`: the configuration says that nothing is wiped; `notices`: what else is known of the next boot.
    """
    crud = [entry for entry in document["entries"] if entry["verdict"] == "crud"]
    lost = rows(crud)
    lines = [style.bold(_answer(lost, complete=document["complete"], trial=trial)), *notices, ""]
    if lost:
        lines += [*_table(lost, columns, now), ""]
    lines += _others(document, columns)
    lines += [style.dim(f"  {line}") for line in _notes(document, now)]
    lines += ["", _advice(lost)]
    return "\n".join(lines) + "\n"


def _answer(lost: list[Row], *, complete: bool, trial: bool) -> str:
    when = "be lost at the next boot"
    will = f"would {when}, were this not a trial (rollback.wipe is false)" if trial else f"will {when}"
    if not lost:
        return f"nothing {'' if complete else 'that you may see '}{will}."
    total = size_to_text(sum(row.size for row in lost))
    least = "" if complete else "at least "
    return f"{least}{words.plural(len(lost), 'thing')} {will} ({total})."


def _table(lost: list[Row], columns: int, now: float) -> Iterator[str]:
    losses = max(words.width(row.loss) for row in lost)
    whats = max(words.width(row.what) for row in lost)
    sizes = max(words.width(_size(row)) for row in lost)
    ages = [", ".join(filter(None, (row.who, words.age(row.when, now)))) for row in lost]
    # The path has what the rest leaves, and the rest leaves at least half.
    fixed = 2 + (losses + 2 if losses else 0) + 2 + whats + 2 + sizes + 2
    room = max(columns, MIN_WIDTH) - fixed
    whos = min(
        max(words.width(age) for age in ages), max(room // 2, room - max(words.width(r.path) for r in lost))
    )
    paths = min(room - whos, max(words.width(row.path) for row in lost))
    for row, age in zip(lost, ages, strict=True):
        loss = words.pad(row.loss, losses) + "  " if losses else ""
        path = words.pad(words.shorten(row.path, paths), paths)
        what = words.pad(row.what, whats, right=True)
        size = words.pad(_size(row), sizes, right=True)
        yield f"  {loss}{path}  {what}  {size}  {words.shorten(age, whos)}".rstrip()


def _size(row: Row) -> str:
    return size_to_text(row.size) if row.size else ""


def _others(document: Document, columns: int) -> Iterator[str]:
    """What --all shows besides: every path with its rule."""
    for verdict, title in _VERDICTS.items():
        entries = [entry for entry in document["entries"] if entry["verdict"] == verdict]
        if entries:
            yield f"  {title}:"
            for entry in entries:
                room = max(columns, MIN_WIDTH) // 2
                yield f"    {words.shorten(entry['path'], room)}  {entry['rule']}"
            yield ""


def _notes(document: Document, now: float) -> Iterator[str]:
    shown = {entry["verdict"] for entry in document["entries"]}
    left_out = [
        f"{document['counts'][verdict]:,} {title}"
        for verdict, title in _VERDICTS.items()
        if document["counts"][verdict] and verdict not in shown
    ]
    if left_out:
        yield f"not counted: {', '.join(left_out)} (--all shows them)"
    others = document.get("others", {"entries": 0, "bytes": 0})
    if others["entries"]:
        what = words.plural(others["entries"], "difference")
        yield f"not shown: {what} of other users, {size_to_text(others['bytes'])} (root sees all)"
    elif not document["complete"]:
        yield "not complete: a part could not be read"
    yield _watch(document, now)


def _watch(document: Document, now: float) -> str:
    since = document["watching_since"]
    if since is None:
        return "nobody watches: writers unknown (systemctl start impermanenced)"
    missing = []
    if gaps := document.get("gaps"):
        last = words.clock(gaps[-1][1], now)
        missing.append(f"{words.plural(len(gaps), 'gap')}, the last one until {last}")
    if overflows := document["overflows"]:
        missing.append(words.plural(overflows, "overflow"))
    rest = f"; {'; '.join(missing)}." if missing else ", complete."
    return f"writers known since {words.clock(since, now)}{rest}"


def _advice(lost: list[Row]) -> str:
    if not lost:
        return "Every difference:  impermanence diff"
    return "Why, and what keeps it:  impermanence explain PATH    Files:  impermanence diff"


def diff(document: Document) -> Iterable[str]:
    """Of act.diff's document, a line each."""
    for entry in document["entries"]:
        yield f"{entry['letters']} {entry['path']}\n"


def explain(explanation: Explanation, *, persist: str, config: str, now: float, style: Style) -> str:
    entry = explanation.entry
    if entry is None:
        return f"{style.bold(explanation.path)} {explanation.words}\n"
    lines = [f"{style.bold(explanation.path)}   {_facts(entry, now)}"]
    facts = {
        "verdict": entry["verdict"] + (f", class {entry['loss']}" if entry["loss"] else ""),
        "because": entry["rule"],
        "written": _written(entry["writer"], now),
    }
    if entry["verdict"] == "crud":
        facts["keep it"] = _keep(entry, persist, config)
    lines += [f"  {name}  {value}" for name, value in facts.items()]
    return "\n".join(lines) + "\n"


def _keep(entry: Mapping[str, Any], persist: str, config: str) -> str:
    if entry["change"] == "deleted":
        return "the next boot brings it back: take a new blank without it"
    if entry["rule"].startswith(HIDDEN):
        return "copy it to what is mounted there: the mount lives on, what it hides does not"
    kind = "directories" if entry["type"] in ("directory", "subvolume") else "files"
    return f'add it to {kind} below [persist."{persist}"] in {config}'


_CHANGES = {"created": "created", "deleted": "deleted", "modified": "modified", "replaced": "replaced"}


def _facts(entry: Mapping[str, Any], now: float) -> str:
    change = _CHANGES.get(entry["change"], "mode, owner, times or attributes changed")
    age = words.age(words.seconds(entry["mtime"]), now)
    kind = "" if entry["type"] == "file" else f"{entry['type']}, "
    size = f"{size_to_text(entry['size'])}, " if entry["type"] == "file" else ""
    when = f"the blank's is of {age}" if entry["change"] == "deleted" else f"last modified {age}"
    return f"{kind}{change}, {when}, {size}{words.user(entry['uid'])} {entry['mode']}"


def _written(writer: Mapping[str, Any] | None, now: float) -> str:
    if writer is None:
        return "by nobody that is known: it was not watched, or the event was lost"
    details = [words.program_of(writer), f"pid {writer['pid']}"]
    if writer["uid"] is not None:
        details.append(f"uid {words.user(writer['uid'])}")
    by = f"{writer['unit']} ({', '.join(filter(None, details))})" if writer["unit"] else ", ".join(details)
    first, last = (words.clock(writer[key], now, exact=True) for key in ("first", "last"))
    return f"by {by}, {f'first {first}, last {last}' if first != last else f'at {first}'}"


def setup(steps: Iterable[str], *, dry_run: bool) -> str:
    steps = list(steps)
    if not steps:
        return "already set up: nothing to do\n"
    head = "would do, without --dry-run:" if dry_run else "done:"
    return "\n".join([head, *(f"  {step}" for step in steps)]) + "\n"
