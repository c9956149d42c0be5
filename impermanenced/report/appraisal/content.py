"""The content of a file: its first bytes may show a worse loss than its name."""

from __future__ import annotations

from collections.abc import Sequence

from ...kernel import openat2
from ...model import Change, FileType
from ..knowledge import recognise
from .finding import View
from .volume_facts import Ground

HEAD = 64  # bytes that are read of a file
SNIFFED = 3000  # files of one report that are read


def look_into(ground: Ground, crud: Sequence[View]) -> None:
    """Read the beginnings of these files, and raise the loss class where the content is worse."""
    left = SNIFFED
    for view in crud:
        difference = view.judged.difference
        if view.package or not view.loss.traits.sniffed or difference.type is not FileType.FILE:
            continue
        if difference.size < 8 or difference.change is Change.METADATA:
            continue
        left -= 1
        if left < 0:
            break
        _take_content(ground, view)


def _take_content(ground: Ground, view: View) -> None:
    difference = view.judged.difference
    try:
        head = openat2.read(ground.root, ground.relative(difference.path), HEAD, owner=difference.uid)
    except OSError:
        return
    content = recognise(head)
    known = view.loss.traits.weight if view.known is None else view.known
    if content is not None and content.loss.traits.weight > known:
        view.loss, view.known = content.loss, None
        view.because += (f"begins as a {content.what} does",)
