"""Steps 1 to 3: files that come back by themselves."""

from __future__ import annotations

from collections.abc import Sequence, Set

from ...model import Advice, AdviceKind, Change, Difference, FileType, Verdict
from ..providers import Finding, Packages, nix_links
from ..providers.packages import may_be_packaged
from .finding import View
from .volume_facts import SKELETON, Ground

PACKAGE_SCORE = 40
EMPTY = "an empty directory, which holds nothing"
LARGEST = 64 << 10  # bytes of a file that is compared with the skeleton of a home
SOCKET = "a socket, which holds nothing: its program makes it anew"


def excuse(ground: Ground, views: Sequence[View]) -> None:
    """Set the verdict of each view that comes back by itself."""
    open_views = [view for view in views if not view.judged.hidden]
    packages = None
    if any(may_be_packaged(view.judged.difference.path) for view in open_views):
        packages = ground.packages
    if packages is not None:
        packages.learn(view.judged.difference for view in open_views)
    following = [view.judged.difference.path for view in views[1:]] + [b""]
    for view, after in zip(views, following, strict=True):
        if view.judged.hidden:
            continue
        rule = _rule_of(ground, packages, view, after)
        if rule is not None:
            view.verdict, view.rule = Verdict.REGENERATED, rule


def _rule_of(ground: Ground, packages: Packages | None, view: View, following: bytes) -> str | None:
    """Return what makes the file anew, in words, or None if nothing known does or a package
    answers for it.

    `following` is the next path of the report.
    """
    difference = view.judged.difference
    if difference.target is not None and (rule := nix_links.rule_of(difference)) is not None:
        return rule
    if difference.type is FileType.SOCKET and difference.change is not Change.DELETED:
        return SOCKET
    if packages is not None and (finding := packages.find(difference)) is not None:
        if finding.verdict is not Verdict.CRUD:
            return finding.rule
        _take_finding(view, finding, packages.brought)
    if view.package:
        return None
    rule = ground.tmpfiles.rule_of(difference, ground.read)
    if rule is None and difference.path.startswith(b"/etc/"):
        rule = ground.sysusers.rule_of(difference, ground.read, ground.read_blank)
    return rule or _skeleton(ground, difference) or _empty(ground, difference, following)


def _skeleton(ground: Ground, difference: Difference) -> str | None:
    if difference.type is not FileType.FILE or not ground.skeleton:
        return None
    path = difference.path
    home = ground.home_of(path)
    if home is None or difference.size > LARGEST or difference.change is Change.DELETED:
        return None
    name = path[len(home) :]
    if name.split(b"/", 2)[1] not in ground.skeleton:
        return None
    try:
        same = ground.read(path, LARGEST) == ground.read(SKELETON + name, LARGEST + 1)
    except OSError:
        return None
    return f"as {SKELETON.decode()} has it, where each new home begins" if same else None


def _empty(ground: Ground, difference: Difference, following: bytes) -> str | None:
    if difference.type is not FileType.DIRECTORY or difference.change is not Change.CREATED:
        return None
    path = difference.path
    return EMPTY if not following.startswith(path + b"/") and ground.empty(path) else None


def _take_finding(view: View, finding: Finding, brought: Set[str]) -> None:
    view.because = (finding.rule,)
    view.package = package = finding.package
    view.bookkeeping = finding.bookkeeping
    view.loss = finding.loss or view.loss
    view.named = True
    if package:
        view.application = package
        view.known = PACKAGE_SCORE
        kind = AdviceKind.WITH_PACKAGE if package in brought else AdviceKind.DECLARE_PACKAGE
        view.advice = (Advice(kind, package),)
