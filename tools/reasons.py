#!/usr/bin/python3
"""Print the reasons of initrd/rollback/reasons.def as a table in Markdown, or as a module in Python."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "initrd/rollback/reasons.def"
STRING = r'"([^"]*)"'
PIECES = r'((?:"[^"]*"\s*)+)'  # of one string, as C joins them
REASON = re.compile(
    rf"^REASON\(\w+, {STRING}, {STRING}, (FORETOLD|UNFORETOLD),\s+{STRING},\s+{PIECES}\)$", re.M
)
TOP = "mount -o subvolid=5 {device} /mnt"
WIDTH = 92  # columns of a string in the module
NAME = re.compile(r"\{(\w+)\}")
MODULE = '''"""Why a boot did not do what it does otherwise (made by tools/reasons.py)."""

from __future__ import annotations

from ..lazy import NamedTuple


class Reason(NamedTuple):
    code: str  # REASON_CODE= of a record
    result: str  # ACTION= of that record
    foretold: bool  # by impermanence-rollback --examine, before the boot
    sentence: str
    advice: str  # with names between braces, as `remedy.Names` has them
    commands: str = ""  # with such names, and " && " between them


REASONS = (
{rows}
)
'''


@dataclass(frozen=True)
class Reason:
    code: str
    result: str
    foretold: bool
    sentence: str
    advice: str
    commands: str


def reasons() -> list[Reason]:
    """The reasons in their order; ValueError: one is malformed."""
    text = SOURCE.read_text()
    found = REASON.findall(text)
    if len(found) != text.count("\nREASON("):
        raise ValueError(f"{SOURCE}: a reason that is not of the form of the others")
    made = []
    for code, result, foretold, sentence, pieces in found:
        advice, _, commands = "".join(re.findall(STRING, pieces)).partition(" $ ")
        made.append(Reason(code, result, foretold == "FORETOLD", sentence, advice, commands))
    return made


def named(text: str) -> str:
    """The text with the names of a machine as words for them."""
    text = text.replace("{top}", TOP)
    return NAME.sub(lambda match: match[1].upper(), text)


def markdown() -> str:
    rows = []
    for one in reasons():
        commands = f": `{named(one.commands)}`" if one.commands else ""
        cells = (f"`{one.code}`", f"`{one.result}`", "yes" if one.foretold else "", one.sentence)
        rows.append(f"| {' | '.join(cells)} | {named(one.advice)}{commands} |\n")
    head = "| `REASON_CODE` | result | `--examine` foretells it | what it means | what to do |\n"
    return "".join([head, "|---|---|---|---|---|\n", *rows])


def pieces(commands: str) -> list[str]:
    """The commands as strings that Python joins, each as long as a line may be."""
    found = [""]
    for command in re.split(r"(?<= && )", commands):
        if found[-1] and len(found[-1]) + len(command) > WIDTH:
            found.append("")
        found[-1] += command
    return found


def python() -> str:
    rows = []
    for one in reasons():
        head = f'"{one.code}", "{one.result}", {one.foretold}'
        row = f'    Reason(\n        {head},\n        "{one.sentence}",\n        "{one.advice}",\n'
        if one.commands:
            row += "\n".join(f'        "{piece}"' for piece in pieces(one.commands)) + ",\n"
        rows.append(row + "    ),")
    return MODULE.format(rows="\n".join(rows))


def main() -> None:
    if sys.argv[1:] not in (["markdown"], ["python"]):
        sys.exit("usage: tools/reasons.py markdown|python")
    sys.stdout.write(markdown() if sys.argv[1] == "markdown" else python())


if __name__ == "__main__":
    main()
