"""The content of a file: its first bytes may show a worse loss than its place.

They decide where nothing but the place of a file is known.  What a rule or the name says of it stands,
unless the content shows a secret.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...kernel import openat2
from ...losses import LossClass
from ...model import Change, FileType
from ..knowledge import TOKENS, recognise, recognise_tokens
from .finding import Finding
from .volume_facts import VolumeFacts

HEAD = 64  # bytes that are read of a file
SNIFFED = 3000  # files of one report that are read
_OTHERS = 0o077  # the permissions of anybody but the owner


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
    # What its owner alone may read is asked for tokens, which may stand anywhere in it.
    private = not difference.mode & _OTHERS
    try:
        head = openat2.read(
            facts.root, facts.relative(difference.path), TOKENS if private else HEAD, owner=difference.uid
        )
    except OSError:
        return
    content = recognise(head) or (recognise_tokens(head) if private else None)
    if content is None or not (finding.placed or content.loss is LossClass.SECRET):
        return
    known = finding.loss.traits.weight if finding.known is None else finding.known
    if content.loss.traits.weight > known:
        finding.loss, finding.known = content.loss, None
        finding.because += (content.words,)
