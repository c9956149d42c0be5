#!/usr/bin/python3
"""Print the reasons of initrd/rollback/reasons.def as a table in Markdown, or as a module in Python."""

from __future__ import annotations

import re
import sys
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "initrd/rollback/reasons.def"
STRING = r'"([^"]*)"'
REASON = re.compile(
    rf"^REASON\(\w+, {STRING}, {STRING}, (FORETOLD|UNFORETOLD),\s+{STRING},\s+{STRING}\)$", re.M
)
MODULE = '''"""Why a boot did not do what it does otherwise (made by tools/reasons.py)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    code: str  # REASON_CODE= of a record
    result: str  # ACTION= of that record
    foretold: bool  # by impermanence-rollback --examine, before the boot
    sentence: str
    advice: str


REASONS = (
{rows}
)
'''


def reasons() -> list[tuple[str, str, str, str, str]]:
    """Code, result, FORETOLD or UNFORETOLD, sentence and advice of each; ValueError: one is malformed."""
    text = SOURCE.read_text()
    found = REASON.findall(text)
    if len(found) != text.count("\nREASON("):
        raise ValueError(f"{SOURCE}: a reason that is not of the form of the others")
    return found


def markdown() -> str:
    rows = [
        f"| `{code}` | `{result}` | {'yes' if foretold == 'FORETOLD' else ''} | {sentence} | {advice} |\n"
        for code, result, foretold, sentence, advice in reasons()
    ]
    head = "| `REASON_CODE` | result | `--examine` foretells it | what it means | what to do |\n"
    return "".join([head, "|---|---|---|---|---|\n", *rows])


def python() -> str:
    rows = []
    for code, result, foretold, sentence, advice in reasons():
        head = f'"{code}", "{result}", {foretold == "FORETOLD"}'
        rows.append(f'    Reason(\n        {head},\n        "{sentence}",\n        "{advice}",\n    ),')
    return MODULE.format(rows="\n".join(rows))


def main() -> None:
    if sys.argv[1:] not in (["markdown"], ["python"]):
        sys.exit("usage: tools/reasons.py markdown|python")
    sys.stdout.write(markdown() if sys.argv[1] == "markdown" else python())


if __name__ == "__main__":
    main()
