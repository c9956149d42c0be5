"""A machine made an impermanent one: the plan is shown, somebody agrees, and it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..boots import examine
from ..config.load import VolumeSettings
from ..copying import Progress
from ..document.fields import printed
from ..errors import NotSetUp
from ..kernel.holders import Holder
from ..setup import job, locks, removal, toplevel, users
from ..setup.document import plan_to_json, removal_to_json
from ..setup.facts import Facts
from ..setup.look import look
from ..setup.plan import Accounts, Plan, Step, moving, plan, resumed
from ..setup.removal import TakingBack
from ..setup.steps import Setup
from ..setup.told import Told
from ..setup.toplevel import Move
from ..text import size_to_text, to_text
from ..volumes.machine import Machine
from . import asking, next_boot, output, progress, setup_plan
from .verb import Shared

_ACCOUNTS = "Shall accounts and passwords that are changed later follow into the blank, at each shutdown?"
_HINT = "--yes does it, --dry-run only shows it"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the caller wants of a set-up."""

    trial: bool = False
    dry_run: bool = False
    yes: bool = False
    accounts: Accounts | None = None  # None: the person is asked, or it is the safe one


def run(volumes: Sequence[VolumeSettings], shared: Shared, asked: Asked) -> int:
    """Show the plan and do it, or what is left of one that was cut; return the exit code."""
    facts = look()
    accounts = asked.accounts or Accounts.BLANK
    if toplevel.is_top_level(facts) and toplevel.can_move(facts):
        return _move(facts, shared, asked)
    if facts.disk.fstype != b"btrfs" or not facts.disk.subvolume:
        return _refuse(plan(facts, trial=asked.trial), shared)
    with Machine(volumes) as machine, job.told():
        left = job.unfinished(machine)
        found = plan(facts, trial=asked.trial, accounts=accounts) if left is None else resumed(facts, left)
        if found.refusals:
            return _refuse(found, shared)
        _show(found, shared, resumes=left is not None)
        if asked.dry_run:
            return 0
        if not asked.yes:
            if not asking.agreed("Do this?", _HINT):
                output.write("nothing was changed\n")
                return 0
            if left is None and asked.accounts is None and asking.agreed(_ACCOUNTS, _HINT):
                found = replace(found, accounts=Accounts.FOLLOW)
        with locks.held(machine):
            _do(machine, found, () if left is None else left.stopped, shared)
    return 0


def _move(facts: Facts, shared: Shared, asked: Asked) -> int:
    """Show how the root is moved out of the top level, and do it; return the exit code."""
    moved = toplevel.is_moved(facts)
    if moved is not None:
        what = f"the root was moved to {to_text(moved)}, and runs at the top level still"
        raise NotSetUp(what, "reboot, and run  impermanence setup  there")
    name = toplevel.new_name(facts)
    if len(facts.disk.nested) > toplevel.MOST_NESTED:
        found = plan(facts, trial=asked.trial)
        return _refuse(found, shared)
    found = moving(facts, name, tuple(toplevel.steps(facts, name)))
    if shared.json:
        output.write(printed(plan_to_json(found)))
    else:
        output.write_now(setup_plan.moving(found, output.columns()))
    if asked.dry_run:
        return 0
    if not asked.yes and not asking.agreed("Do this?", _HINT):
        output.write("nothing was changed\n")
        return 0
    seen = _Progress()
    with progress.shown(seen.words):
        Move(facts, name, Told(seen.step, seen.copied)).run()
    if not shared.json:
        output.write(setup_plan.moved(name))
    return 0


def _refuse(found: Plan, shared: Shared) -> int:
    if shared.json:
        output.write(printed(plan_to_json(found)))
    else:
        output.write(setup_plan.refused(found.refusals, found.facts, output.columns()))
    return NotSetUp.exit_code


def _show(found: Plan, shared: Shared, *, resumes: bool) -> None:
    if shared.json:
        output.write(printed(plan_to_json(found)))
    elif resumes:
        output.write_now(f"a set-up was cut on its way, and goes on: {to_text(found.names.root)}\n")
    else:
        output.write_now(setup_plan.text(found, output.style(shared), output.columns()))


class _Progress:
    """What is being copied, for the line on the terminal."""

    def __init__(self) -> None:
        self.what = ""
        self.files = self.size = 0

    def step(self, step: Step) -> None:
        self.what, self.files, self.size = step.words, 0, 0

    def copied(self, found: Progress) -> None:
        self.files, self.size = found.files, found.size

    def words(self, _: float) -> str:
        copied = f" ({self.files:,} files, {size_to_text(self.size)})" if self.files else ""
        return f"{self.what}{copied}"


def _do(machine: Machine, found: Plan, stopped: tuple[str, ...], shared: Shared) -> None:
    seen = _Progress()
    with progress.shown(seen.words):
        left = Setup(machine, found, Told(seen.step, seen.copied), stopped).run()
    _tell_of(left)
    if shared.json:
        return
    decision = examine.this_system()
    output.write(f"done: {next_boot.foretold(decision)}\n")
    output.write("What it would lose:  impermanence status\n")
    output.write("Back to a normal machine:  impermanence setup --remove\n")


def _tell_of(left: Sequence[Holder]) -> None:
    if left:
        where = f"these still work in the directories from before: {users.named(left)}"
        output.complain(where, "enter the directory anew (cd .), or log in anew")


# The way back


def take_back(volumes: Sequence[VolumeSettings], shared: Shared, *, dry_run: bool, yes: bool) -> int:
    """Show what the way back to a normal machine is, and go it; return the exit code."""
    with Machine(volumes) as machine, job.told():
        found = removal.plan(machine, job.read(machine))
        if shared.json:
            output.write(printed(removal_to_json(found)))
        else:
            output.write_now(setup_plan.way_back(found, output.columns()))
        if dry_run:
            return 0
        if not yes and not asking.agreed("Do this?", _HINT):
            output.write("nothing was changed\n")
            return 0
        seen = _Progress()
        with locks.held(machine), progress.shown(seen.words):
            left = TakingBack(machine, volumes, found, Told(seen.step, seen.copied)).run()
    _tell_of(left)
    if not shared.json:
        output.write(setup_plan.taken_back(found))
    return 0
