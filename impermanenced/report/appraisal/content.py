"""The content of a file: its first bytes may show a worse loss than its name."""

from __future__ import annotations

from collections.abc import Sequence

from ...kernel import openat2
from ...model import Change, FileType
from ..knowledge import recognise
from .finding import Finding
from .volume_facts import VolumeFacts

HEAD = 64  # bytes that are read of a file
SNIFFED = 3000  # files of one report that are read


def look_into(facts: VolumeFacts, crud: Sequence[Finding]) -> None:
    """Read the beginnings of these files, and raise the loss class where the content is worse."""
    left = SNIFFED
    for finding in crud:
        difference = finding.judged.difference
        if finding.package or not finding.loss.traits.sniffed or difference.type is not FileType.FILE:
            continue
        if difference.size < 8 or difference.change is Change.METADATA:
            continue
        left -= 1
        if left < 0:
            break
        _take_content(facts, finding)


def _take_content(facts: VolumeFacts, finding: Finding) -> None:
    difference = finding.judged.difference
    try:
        head = openat2.read(facts.root, facts.relative(difference.path), HEAD, owner=difference.uid)
    except OSError:
        return
    content = recognise(head)
    known = finding.loss.traits.weight if finding.known is None else finding.known
    if content is not None and content.loss.traits.weight > known:
        finding.loss, finding.known = content.loss, None
        finding.because += (f"begins as a {content.what} does",)
