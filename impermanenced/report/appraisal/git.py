"""Work in git that is nowhere else: what lies in such a repository is raised with it."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

from ...kernel import openat2
from ...losses import LossClass
from ...model import Advice, AdviceKind
from ...text import to_text
from .finding import View
from .volume_facts import Ground

HEAD = 64  # bytes
REPOSITORIES = 200  # whose branches are looked at
UNPUSHED_SCORE = 80
_GIT = b"/.git/"


def unpushed(ground: Ground, repository: bytes, uid: int) -> str | None:
    """What of a git repository's branch no remote is known to have; None: nothing, or it cannot be said.

    git itself is not asked: it runs what the repository's configuration names.
    """

    def line(name: bytes) -> bytes:
        path = ground.relative(repository) + _GIT + name
        try:
            return openat2.read(ground.root, path, HEAD, owner=uid).strip()
        except OSError:
            return b""

    head = line(b"HEAD")
    branch = head.removeprefix(b"ref: refs/heads/")
    if branch == head or not branch or b".." in branch or len(head) >= HEAD:
        return None
    commit = line(b"refs/heads/" + branch)
    if not commit:
        return None
    pushed = line(b"refs/remotes/origin/" + branch)
    if pushed == commit:
        return None
    what = f"git: {to_text(branch)}"
    return f"{what} is on no remote" if not pushed else f"{what} has commits that are not pushed"


def mark_repositories(ground: Ground, crud: Sequence[View]) -> None:
    """`crud` is sorted by path."""
    paths = [view.judged.difference.path for view in crud]
    repositories: dict[bytes, int] = {}
    for path, view in zip(paths, crud, strict=True):
        at = path.find(_GIT)
        if at > 0 and len(repositories) < REPOSITORIES:
            repositories.setdefault(path[:at], view.judged.difference.uid)
    for repository, uid in repositories.items():
        words = unpushed(ground, repository, uid)
        if words is not None:
            begin = bisect.bisect_left(paths, repository + b"/")
            end = bisect.bisect_left(paths, repository + b"0")  # the character after the slash
            for view in crud[begin:end]:
                _mark(view, repository, words)


def _mark(view: View, repository: bytes, words: str) -> None:
    where = to_text(repository)
    view.because += (words,)
    view.unpushed = words
    view.group = repository
    if view.loss.traits.weight <= LossClass.DOCUMENT.traits.weight:
        view.loss, view.known = LossClass.DOCUMENT, UNPUSHED_SCORE
    view.advice = (Advice(AdviceKind.PUSH, where), Advice(AdviceKind.PERSIST_DIRECTORY, where))
