"""The plan of a set-up, and what is in its way, for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..setup.facts import Facts
from ..setup.plan import Kind, Plan, Step
from ..setup.refusals import Refusal
from ..setup.removal import Removal
from ..setup.whitelist import PERSIST
from ..text import to_text
from . import wording
from .output import Style

_HINT = "  hint: "


def text(plan: Plan, style: Style, columns: int) -> str:
    """Return a plan that nothing is in the way of."""
    blank, persist = to_text(plan.names.blank), to_text(PERSIST)
    widest = max((wording.width(to_text(one.path)) for one in plan.kept), default=0)
    lines = [
        style.bold(f"This machine can be set up: {machine(plan.facts)}."),
        "",
        *wording.wrap(
            f"Each boot will begin with the blank {blank}, which is this machine as it is now. What persists "
            f"lies in {persist}:",
            columns,
            "",
            "",
        ),
        "",
        *(f"  {wording.pad(to_text(one.path), widest)}  {one.why}" for one in plan.kept),
        "",
        "To be done:",
        "",
    ]
    for number, words in enumerate(_steps(plan.steps), 1):
        lines += wording.wrap(words, columns, f"  {number:>2}  ", " " * 6)
    lines += ["", "Good to know:", ""]
    for note in plan.notes:
        lines += wording.wrap(note, columns, "  - ", " " * 4)
    lines += [
        "",
        *wording.wrap(
            "Nothing is deleted: what is copied also stays where it is, and goes into an old root with the "
            "first wipe.",
            columns,
            "",
            "",
        ),
    ]
    return "\n".join(lines) + "\n"


def machine(facts: Facts) -> str:
    """Return in one line what the machine is."""
    files, disk = facts.files, facts.disk
    parts = [
        files.distribution or "a system that does not say its name",
        f"root {to_text(disk.subvolume) or to_text(disk.fstype)} on {to_text(disk.device)}",
        files.initrd,
        files.loader,
    ]
    return ", ".join(part for part in parts if part)


def _steps(steps: Sequence[Step]) -> Iterator[str]:
    """Yield the steps in words; what is done with each kept path is said once."""
    count = sum(step.kind is Kind.KEEP for step in steps)
    said = False
    for step in steps:
        if step.kind is not Kind.KEEP:
            yield step.words
        elif not said:
            said = True
            each = "each of these paths" if count > 1 else "this path"
            copied = f"copy {each} to {to_text(PERSIST)}, compare, and mount the copy over it"
            yield f"{copied}, by a line in /etc/fstab"


def refused(found: Sequence[Refusal], facts: Facts, columns: int) -> str:
    """Return what is in the way of a set-up, each with what can be done about it."""
    lines = [f"This machine cannot be set up as it is: {machine(facts)}.", ""]
    for one in found:
        lines += wording.wrap(one.what, columns, "  ", "  ")
        colon = ":" if one.commands else ""
        lines += wording.wrap(f"{one.hint}{colon}", columns, _HINT, " " * len(_HINT))
        lines += [f"{' ' * len(_HINT)}{command}" for command in one.commands]
        lines.append("")
    lines.append("Nothing was changed.")
    return "\n".join(lines) + "\n"


def moving(plan: Plan, columns: int) -> str:
    """Return how the root is moved out of the top level, which comes before a set-up."""
    why = (
        "The root is the top level of its BTRFS, which cannot be renamed, so no boot could put it back. It "
        f"is moved into the subvolume {to_text(plan.names.root)} first; after a reboot, setup goes on there:"
    )
    lines = [f"{machine(plan.facts)}.", "", *wording.wrap(why, columns, "", ""), ""]
    for number, step in enumerate(plan.steps, 1):
        lines += wording.wrap(step.words, columns, f"  {number:>2}  ", " " * 6)
    stays = (
        "Nothing is deleted: the root as it is stays at the top level. What is written to it from now on is "
        "not in the new one, so reboot at once."
    )
    return "\n".join([*lines, "", *wording.wrap(stays, columns, "", "")]) + "\n"


def moved(name: bytes) -> str:
    """Say what to do once the root was moved."""
    return (
        f"done: the next boot has its root in {to_text(name)}.\n"
        "Reboot now, and run there:  impermanence setup\n"
        "The old root stays at the top level (mount -o subvolid=5), to delete once the new one has booted.\n"
    )


def way_back(found: Removal, columns: int) -> str:
    """Return the way back to a normal machine."""
    lines = ["The way back to a normal machine:", ""]
    for number, step in enumerate(found.steps, 1):
        lines += wording.wrap(step.words, columns, f"  {number:>2}  ", " " * 6)
    return "\n".join(lines) + "\n"


def taken_back(found: Removal) -> str:
    """Say what is left once a machine is a normal one again."""
    named = ", ".join(to_text(path) for path in found.left)
    return (
        f"done: nothing is wiped any more, and what was kept is at its old places.\n"
        f"Left at the top level (mount -o subvolid=5), to delete once nothing in them is wanted: {named}\n"
    )
