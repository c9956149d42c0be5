"""Steps 1 to 3: files that come back by themselves."""

from __future__ import annotations

from collections.abc import Sequence, Set

from ...model import Advice, AdviceKind, Change, Difference, FileType, Verdict
from ..providers import PackageFinding, Packages, nix_links
from ..providers.packages import may_be_packaged
from .finding import Finding
from .volume_facts import SKELETON, VolumeFacts

PACKAGE_SCORE = 40
EMPTY = "an empty directory, which holds nothing"
LARGEST = 64 << 10  # bytes of a file that is compared with the skeleton of a home
TRIGGER = "no package owns it, and it was written while packages were configured: a trigger makes it"
# The units in which packages are installed without anybody's session.
MANAGERS = frozenset((
    "apt-daily.service", "apt-daily-upgrade.service", "dnf-automatic.service",
    "dnf-automatic-install.service",
    "dnf-system-upgrade.service", "dnf5-automatic.service", "packagekit.service",
    "packagekit-offline-update.service", "pamac-daemon.service", "rpm-ostreed.service",
    "unattended-upgrades.service",
))  # fmt: skip
SOCKET = "a socket, which holds nothing: its program makes it anew"


def excuse(facts: VolumeFacts, findings: Sequence[Finding]) -> None:
    """Set the verdict of each view that comes back by itself."""
    open_views = [finding for finding in findings if not finding.judged.hidden]
    packages = None
    if any(may_be_packaged(finding.judged.difference.path) for finding in open_views):
        packages = facts.packages
    if packages is not None:
        packages.learn(finding.judged.difference for finding in open_views)
    following = [finding.judged.difference.path for finding in findings[1:]] + [b""]
    for finding, after in zip(findings, following, strict=True):
        if finding.judged.hidden:
            continue
        rule = _rule_of(facts, packages, finding, after)
        if rule is not None:
            finding.verdict, finding.rule = Verdict.REGENERATED, rule


def _rule_of(facts: VolumeFacts, packages: Packages | None, finding: Finding, following: bytes) -> str | None:
    """Return what makes the file anew, in words, or None if nothing known does or a package
    answers for it.

    `following` is the next path of the report.
    """
    difference = finding.judged.difference
    if difference.target is not None and (rule := nix_links.rule_of(difference)) is not None:
        return rule
    if difference.type is FileType.SOCKET:
        return SOCKET
    if packages is not None and (packaged := packages.find(difference)) is not None:
        if packaged.verdict is not Verdict.CRUD:
            return packaged.rule
        _take_package(finding, packaged, packages.brought)
    if finding.package:
        return None
    if packages is not None and _of_trigger(finding):
        return TRIGGER
    rule = facts.tmpfiles.rule_of(difference, facts.read)
    if rule is None and difference.path.startswith(b"/etc/"):
        rule = facts.sysusers.rule_of(difference, facts.read, facts.read_blank)
    return rule or _skeleton(facts, difference) or _empty(facts, difference, following)


def _of_trigger(finding: Finding) -> bool:
    """Return whether a unit of the package manager wrote it among the files of packages."""
    path, writer = finding.judged.difference.path, finding.judged.writer
    if writer is None or writer.kind not in ("", "system") or writer.unit not in MANAGERS:
        return False
    return path.startswith(b"/usr/") and not path.startswith(b"/usr/local/")


def _skeleton(facts: VolumeFacts, difference: Difference) -> str | None:
    if difference.type is not FileType.FILE or not facts.skeleton:
        return None
    path = difference.path
    home = facts.home_of(path)
    if home is None or difference.size > LARGEST or difference.change is Change.DELETED:
        return None
    name = path[len(home) :]
    if name.split(b"/", 2)[1] not in facts.skeleton:
        return None
    try:
        same = facts.read(path, LARGEST) == facts.read(SKELETON + name, LARGEST + 1)
    except OSError:
        return None
    return f"as {SKELETON.decode()} has it, where each new home begins" if same else None


def _empty(facts: VolumeFacts, difference: Difference, following: bytes) -> str | None:
    if difference.type is not FileType.DIRECTORY or difference.change is not Change.CREATED:
        return None
    path = difference.path
    return EMPTY if not following.startswith(path + b"/") and facts.empty(path) else None


def _take_package(finding: Finding, packaged: PackageFinding, brought: Set[str]) -> None:
    finding.because = (packaged.rule,)
    finding.package = package = packaged.package
    finding.bookkeeping = packaged.bookkeeping
    finding.loss = packaged.loss or finding.loss
    finding.named = True
    if package:
        finding.application = package
        finding.known = PACKAGE_SCORE
        kind = AdviceKind.WITH_PACKAGE if package in brought else AdviceKind.DECLARE_PACKAGE
        finding.advice = (Advice(kind, package),)
