"""Steps 1 to 3: what manages itself."""

from __future__ import annotations

from collections.abc import Sequence

from ..managed import links
from ..managed.packages import may_be_packaged
from ..model import Change, FileType, Verdict
from ..rules import HIDDEN
from .ground import Ground
from .view import View

PACKAGE_SCORE = 40
SOCKET = "a socket, which holds nothing: its program makes it anew"


def excuse(ground: Ground, views: Sequence[View]) -> None:
    open_views = [view for view in views if not view.rule.startswith(HIDDEN)]
    packages = None
    if any(may_be_packaged(view.judged.difference.path) for view in open_views):
        packages = ground.packages
    if packages is not None:
        packages.learn(view.judged.difference for view in open_views)
    for view in open_views:
        difference = view.judged.difference
        rule = links.rule_of(difference)
        if difference.type is FileType.SOCKET and difference.change is not Change.DELETED:
            rule = SOCKET
        if rule is None and packages is not None:
            finding = packages.find(difference)
            if finding is not None and finding.verdict is Verdict.CRUD:
                _take_finding(view, finding.rule, finding.package, finding.loss)
            elif finding is not None:
                rule = finding.rule
        if rule is None and not view.package:
            rule = ground.tmpfiles.rule_of(difference, ground.read)
        if rule is None and not view.package and difference.path.startswith(b"/etc/"):
            rule = ground.sysusers.rule_of(difference, ground.read, ground.read_blank)
        if rule is not None:
            view.verdict, view.rule = Verdict.REGENERATED, rule


def _take_finding(view: View, rule: str, package: str, loss: str | None) -> None:
    view.because = (rule,)
    view.package = package
    view.loss = loss or view.loss
    view.named = True
    if package:
        view.application = package
        view.known = PACKAGE_SCORE
        view.advice = (("declare-package", package),)
