"""New directories in which everything is excused: nothing is lost with them either."""

from __future__ import annotations

from collections.abc import Sequence

from ...model import LOSSES, Change, FileType, Verdict
from .finding import Finding

HOLLOW = "a directory that holds nothing but what is made again"


def excuse_hollow(findings: Sequence[Finding]) -> None:
    """Set the verdict of each new directory that has something in it, and nothing that would be lost.

    `findings` are sorted by path.
    """
    if not any(map(_may_be_hollow, findings)):
        return
    filled: set[bytes] = set()  # directories that have something in them
    kept: set[bytes] = set()  # directories with a loss in them
    for finding in reversed(findings):
        difference = finding.judged.difference
        hollow = difference.path in filled and difference.path not in kept
        if finding.verdict in LOSSES and hollow and _may_be_hollow(finding):
            finding.verdict, finding.rule = Verdict.IGNORED, HOLLOW
        above = difference.path[: difference.path.rfind(b"/")]
        filled.add(above)
        if finding.verdict in LOSSES or difference.path in kept:
            kept.add(above)


def _may_be_hollow(finding: Finding) -> bool:
    difference = finding.judged.difference
    if difference.type is not FileType.DIRECTORY or difference.change is not Change.CREATED:
        return False
    return not (finding.declared or finding.package or finding.judged.hidden)
