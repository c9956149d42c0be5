"""The appraisal of a difference: verdict and reason, loss class, score, owner, and what to do.

The rules of the configuration decide first (`rules`).  What they leave as a loss is asked, in this order:

    1  a link that NixOS or home-manager makes         regenerated
       a file that holds nothing: a socket             regenerated
    2  the package manager: as packaged                regenerated
       part of what was installed since the blank      crud, one group
    3  a line of tmpfiles.d or sysusers.d; as in       regenerated
       /etc/skel; a new directory with nothing in it
       what the package manager's own unit wrote,      regenerated
       below /usr, and no package owns
    4  the knowledge of applications                   its class, score and advice; ignored: a cache
    5  a unit's directory                              "state of x.service"; ignored: a cache
       a container's own layer                         crud, as in a system of its own
       what a project says of itself                   ignored: a build, its own git or a tag says so
    6  the old roots: each has it with the same        regenerated
       content, or a unit makes it and only
       numbers differ; with other content each time    crud, and said: an identity wants persisting
    7  the first boot: made before it had settled      regenerated, unless 4 names it

What is declared, and not mounted, is no cache and not excused for its time: somebody wants it to persist.
A file that a person's session wrote is never attributed to the boot.  The content comes last: at most 64
bytes of a file are read (4 KiB of one that its owner alone may read), and they can only make the loss worse.
A new directory in which everything was excused is excused in the end.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...losses import LossClass
from ...model import LOSSES, Change, Entry, Verdict
from .applications import learn
from .content import look_into
from .earlier_boots import look_back
from .entries import entry_of
from .finding import Finding, Judged
from .git import mark_repositories
from .hollow import excuse_hollow
from .layers import look_into_layers
from .projects import excuse_projects
from .regenerated import excuse
from .volume_facts import VolumeFacts

__all__ = ["Judged", "VolumeFacts", "appraise"]


def appraise(facts: VolumeFacts, judged: Iterable[Judged], now: float) -> list[Entry]:
    """Return the entries of one volume, sorted by path.  `now` is in seconds since 1970."""
    found = sorted(judged, key=lambda one: one.difference.path)
    findings = [Finding(one) for one in found if one.verdict in LOSSES]
    if findings:
        excuse(facts, findings)
        learn(facts, findings)
        look_into_layers(facts, findings)
        excuse_projects(facts, findings)
        look_back(facts, findings)
        left = [
            finding
            for finding in findings
            if finding.verdict in LOSSES and finding.judged.difference.change is not Change.DELETED
        ]
        mark_repositories(facts, left)
        look_into(facts, left)
        excuse_hollow(findings)
    entries = []
    losses = iter(findings)
    for one in found:
        if one.verdict in LOSSES:
            entries.append(entry_of(facts, next(losses), now))
        else:
            entries.append(
                Entry(
                    facts.volume.name,
                    one.difference,
                    one.verdict,
                    one.rule,
                    # A class tells what passes by itself from what a pattern of the user ignores.
                    LossClass.CACHE if one.mounted and one.verdict is Verdict.IGNORED else None,
                    one.writer,
                    hidden=one.hidden,
                )
            )
    return entries
