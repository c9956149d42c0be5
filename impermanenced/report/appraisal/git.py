"""Work in git that is on no remote: everything in such a repository is raised with it."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

from ...kernel import openat2
from ...losses import LossClass
from ...model import Advice, AdviceKind
from ...text import to_text
from .finding import Finding
from .volume_facts import VolumeFacts

HEAD = 64  # bytes that are read of a file
REPOSITORIES = 200  # repositories of one report that are looked at
UNPUSHED_SCORE = 80
_GIT = b"/.git/"


def unpushed(facts: VolumeFacts, repository: bytes, uid: int) -> str | None:
    """Return what a git repository's branch has that is on no known remote, in words.

    None means that there is nothing, or that it cannot be told.  git itself is not run: it would run what the
    repository's configuration names.
    """

    def line(name: bytes) -> bytes:
        path = facts.relative(repository) + _GIT + name
        try:
            return openat2.read(facts.root, path, HEAD, owner=uid).strip()
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


def mark_repositories(facts: VolumeFacts, crud: Sequence[Finding]) -> None:
    """Raise what lies in repositories with unpushed work.  `crud` is sorted by path."""
    paths = [finding.judged.difference.path for finding in crud]
    repositories: dict[bytes, int] = {}
    for path, finding in zip(paths, crud, strict=True):
        at = path.find(_GIT)
        if at > 0 and len(repositories) < REPOSITORIES:
            repositories.setdefault(path[:at], finding.judged.difference.uid)
    for repository, uid in repositories.items():
        words = unpushed(facts, repository, uid)
        if words is not None:
            begin = bisect.bisect_left(paths, repository + b"/")
            end = bisect.bisect_left(paths, repository + b"0")  # the character after the slash
            for finding in crud[begin:end]:
                _mark(finding, repository, words)


def _mark(finding: Finding, repository: bytes, words: str) -> None:
    where = to_text(repository)
    finding.because += (words,)
    finding.unpushed = words
    finding.group = repository
    if finding.loss.traits.weight <= LossClass.DOCUMENT.traits.weight:
        finding.loss, finding.known = LossClass.DOCUMENT, UNPUSHED_SCORE
    finding.advice = (Advice(AdviceKind.PUSH, where), Advice(AdviceKind.PERSIST_DIRECTORY, where))
