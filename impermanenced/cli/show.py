"""Documents to text.  The first line answers, the last one says what to do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..losses import BAD, SERIOUS, mark
from ..text import size_to_text
from . import remedies, wording
from .query import Document, Explanation
from .rows import PACKAGES, Row, by, rows

MIN_WIDTH = 60
MOST = 20  # rows, unless all are asked for
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
    view: str | None = None,
    order: str = "score",
    whole: bool = False,
    commands: Collection[str] = (),
) -> str:
    """Of act.status's document.

    `trial`: the configuration says that nothing is wiped; `notices`: what else is known of the next boot;
    `view`: one of rows.VIEWS in place of things; `whole`: every row; `commands`: the words advice may use.
    """
    crud = [entry for entry in document["entries"] if entry["verdict"] == "crud"]
    lost = rows(crud, order)
    answer = _answer(lost, complete=document["complete"], trial=trial, since=document.get("since"))
    lines = [style.bold(answer), *notices, ""]
    shown = by(view, crud, order) if view else lost
    if shown:
        most = len(shown) if whole else MOST
        lines += [*_table(shown[:most], columns, now), *_rest(shown[most:]), ""]
    lines += _others(document, columns)
    lines += [style.dim(f"  {line}") for line in _notes(document, now)]
    lines += ["", _advice(lost, commands)]
    return "\n".join(lines) + "\n"


def _rest(rest: list[Row]) -> Iterator[str]:
    if rest:
        size = size_to_text(sum(row.size for row in rest))
        yield f"  and {len(rest):,} more, {size} (--all shows them)"


def _answer(lost: list[Row], *, complete: bool, trial: bool, since: str | None = None) -> str:
    when = "be lost at the next boot"
    will = f"would {when}, were this not a trial (rollback.wipe is false)" if trial else f"will {when}"
    of = f" of what came since {since}" if since else ""
    if not lost:
        return f"nothing {'' if complete else 'that you may see '}{will}{of}."
    total = size_to_text(sum(row.size for row in lost))
    least = "" if complete else "at least "
    serious = sum(row.score >= SERIOUS for row in lost)
    bad = f", {serious:,} of them serious" if serious else ""
    return f"{least}{wording.plural(len(lost), 'thing')} {will} ({total}){of}{bad}."


def _table(lost: list[Row], columns: int, now: float) -> Iterator[str]:
    losses = max(wording.width(row.loss) for row in lost)
    whats = max(wording.width(row.what) for row in lost)
    sizes = max(wording.width(_size(row)) for row in lost)
    ages = [", ".join(filter(None, (row.who, wording.age(row.when, now), row.note))) for row in lost]
    names = [wording.homely(row.path) for row in lost]
    marks = 3 if any(row.score >= BAD for row in lost) else 0
    # The path has what the rest leaves, and the rest leaves at least half.
    fixed = 2 + marks + (losses + 2 if losses else 0) + 2 + whats + 2 + sizes + 2
    room = max(columns, MIN_WIDTH) - fixed
    widest = max(wording.width(name) for name in names)
    whos = min(max(wording.width(age) for age in ages), max(room // 2, room - widest))
    paths = min(room - whos, widest)
    for row, name, age in zip(lost, names, ages, strict=True):
        sign = f"{mark(row.score):>2} " if marks else ""
        loss = wording.pad(row.loss, losses) + "  " if losses else ""
        path = wording.pad(wording.shorten(name, paths), paths)
        what = wording.pad(row.what, whats, right=True)
        size = wording.pad(_size(row), sizes, right=True)
        yield f"  {sign}{loss}{path}  {what}  {size}  {wording.shorten(age, whos)}".rstrip()


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
                yield f"    {wording.shorten(wording.homely(entry['path']), room)}  {entry['rule']}"
            yield ""


def _notes(document: Document, now: float) -> Iterator[str]:
    shown = {entry["verdict"] for entry in document["entries"]}
    caches = document.get("caches", 0)
    counts = {**document["counts"], "ignored": document["counts"]["ignored"] - caches}
    left_out = [
        f"{counts[verdict]:,} {title}"
        for verdict, title in _VERDICTS.items()
        if counts[verdict] and verdict not in shown
    ]
    if caches and "ignored" not in shown:
        left_out.append(f"{caches:,} in caches and the like")
    if left_out:
        yield f"not counted: {', '.join(left_out)} (--all shows them)"
    others = document.get("others", {"entries": 0, "bytes": 0})
    if others["entries"]:
        what = wording.plural(others["entries"], "difference")
        yield f"not shown: {what} of other users, {size_to_text(others['bytes'])} (root sees all)"
    elif not document["complete"]:
        yield "not complete: a part could not be read"
    yield from document.get("notes", ())
    yield _watch(document, now)


def _watch(document: Document, now: float) -> str:
    since = document["watching_since"]
    if since is None:
        return "nobody watches: writers unknown (systemctl start impermanenced)"
    missing = []
    if gaps := document.get("gaps"):
        last = wording.clock(gaps[-1][1], now)
        missing.append(f"{wording.plural(len(gaps), 'gap')}, the last one until {last}")
    if overflows := document["overflows"]:
        missing.append(wording.plural(overflows, "overflow"))
    rest = f"; {'; '.join(missing)}." if missing else ", complete."
    return f"writers known since {wording.clock(since, now)}{rest}"


def _advice(lost: list[Row], commands: Collection[str]) -> str:
    if not lost:
        return "Every difference:  impermanence diff"
    why = "Why, and what keeps it:  impermanence explain PATH"
    if "suggest" in commands and any(row.loss != PACKAGES for row in lost):
        return f"{why}    All at once:  impermanence suggest"
    return f"{why}    Files:  impermanence diff"


def diff(document: Document) -> Iterable[str]:
    """Of act.diff's document, a line each."""
    for entry in document["entries"]:
        yield f"{entry['letters']} {entry['path']}\n"


def explain(
    explanation: Explanation,
    *,
    persist: str,
    config: str,
    now: float,
    style: Style,
    commands: Collection[str] = (),
) -> str:
    entry = explanation.entry
    if entry is None:
        return f"{style.bold(explanation.path)} {explanation.words}\n"
    lines = [f"{style.bold(explanation.path)}   {_facts(entry, now)}"]
    facts = {
        "verdict": [_verdict(entry)],
        "because": [entry["rule"], *entry.get("because", ())],
        "written": [_written(entry["writer"], now)],
    }
    if lost := entry.get("lost", 0):
        facts["history"] = [_history(lost)]
    if entry["verdict"] == "crud":
        facts["keep it"] = list(remedies.lines(entry, persist=persist, config=config, commands=commands))
    for name, values in facts.items():
        lines += [f"  {name if not number else '':7}  {value}" for number, value in enumerate(values)]
    return "\n".join(lines) + "\n"


def _verdict(entry: Mapping[str, Any]) -> str:
    said = [entry["verdict"]]
    if entry["loss"]:
        said.append(f"class {entry['loss']}")
    if entry.get("application"):
        said.append(entry["application"])
    if entry.get("score"):
        said.append(f"score {entry['score']}")
    return ", ".join(said)


def _history(lost: int) -> str:
    when = "the last boot" if lost == 1 else f"each of the last {lost} boots"
    return f"lost at the end of {when}; still in the old root: impermanence boots"


_CHANGES = {"created": "created", "deleted": "deleted", "modified": "modified", "replaced": "replaced"}


def _facts(entry: Mapping[str, Any], now: float) -> str:
    change = _CHANGES.get(entry["change"], "mode, owner, times or attributes changed")
    age = wording.age(wording.seconds(entry["mtime"]), now)
    kind = "" if entry["type"] == "file" else f"{entry['type']}, "
    size = f"{size_to_text(entry['size'])}, " if entry["type"] == "file" else ""
    when = f"the blank's is of {age}" if entry["change"] == "deleted" else f"last modified {age}"
    return f"{kind}{change}, {when}, {size}{wording.user(entry['uid'])} {entry['mode']}"


def _written(writer: Mapping[str, Any] | None, now: float) -> str:
    if writer is None:
        return "by nobody that is known: it was not watched, or the event was lost"
    details = [wording.program_of(writer), f"pid {writer['pid']}"]
    if writer["uid"] is not None:
        details.append(f"uid {wording.user(writer['uid'])}")
    by = f"{writer['unit']} ({', '.join(filter(None, details))})" if writer["unit"] else ", ".join(details)
    first, last = (wording.clock(writer[key], now, exact=True) for key in ("first", "last"))
    return f"by {by}, {f'first {first}, last {last}' if first != last else f'at {first}'}"


def setup(steps: Iterable[str], *, dry_run: bool) -> str:
    steps = list(steps)
    if not steps:
        return "already set up: nothing to do\n"
    head = "would do, without --dry-run:" if dry_run else "done:"
    return "\n".join([head, *(f"  {step}" for step in steps)]) + "\n"
