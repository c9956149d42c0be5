"""`doctor`: what would stop a rollback, what to do about it, and doing it where that is safe."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from ...boots import (
    doctor,
    doctor_blank,
    doctor_kernels,
    doctor_layout,
    doctor_system,
    examine,
    history,
    outcome,
    remedy,
)
from ...boots.doctor import ERROR, NOTE, WARNING, Finding, Running
from ...boots.examine import BOOTED, KEPT, TRIED, WIPED
from ...boots.outcome import Trouble
from ...document.doctor import doctor_to_json
from ...document.fields import printed
from ...errors import NotSetUp, UsageError
from ...keep import doctor as keep_doctor
from ...keep import owners
from ...model import Decision
from ...releases import doctor as releases_doctor
from ...report import unkept
from ...report.report import Manager
from ...setup import doctor as setup_doctor
from ...volumes.machine import Machine
from .. import mending, next_boot, output, trouble, wording
from ..arguments import add_json, add_yes
from ..output import Style
from ..verb import Shared, Verb

MENDED = (WIPED, BOOTED, KEPT, TRIED)  # what a boot does if nothing is in its way
_INDENT = " " * 11


@dataclass(frozen=True, slots=True)
class Options:
    fix: bool = False
    yes: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fix", action="store_true", help="mend what can be mended safely, after asking")
    add_yes(parser, "with --fix: do not ask")
    add_json(parser)


def read_options(found: argparse.Namespace) -> Options:
    if found.yes and not found.fix:
        raise UsageError("doctor: --yes goes with --fix")
    return Options(found.fix, found.yes)


def run(options: Options, shared: Shared) -> int:
    found = look(shared.config)
    if options.fix and mending.mend(found, shared, yes=options.yes):
        found = look(shared.config)
    if shared.json:
        output.write(printed(doctor_to_json(found)))
    else:
        output.write(text(found, output.style(shared), output.columns()))
    return 1 if any(finding.severity == ERROR for finding in found) else 0


verb = Verb(add_arguments, read_options, run)


def look(config_file: bytes | None) -> list[Finding]:
    """Return what is wrong.

    With a configuration of its own it is another system that is looked at, not the running one."""
    running = Running.read() if config_file is None else Running()
    decision: Decision | None = None
    hook = outcome.look(history.this_boot_id()) if config_file is None else None
    mended, cut = False, None
    try:
        with Manager(config_file) as manager:
            config, machine = manager.config, manager.machine
            decision = manager.forecast().decision
            found = doctor.examine(config, machine, running, decision)
            found += doctor_layout.examine(config, machine)
            found += doctor_blank.examine(machine, decision)
            found += doctor_kernels.examine(machine, decision)
            found += releases_doctor.examine(machine)
            found += doctor_system.examine(machine)
            found += keep_doctor.examine(manager, decision)
            found += owners.examine(manager)
            found += unkept.examine(manager, decision)
            mended = hook is not None and _is_mended(hook, decision, machine)
            cut = setup_doctor.cut(machine)
    except NotSetUp as error:
        # Where another root runs, the configuration is not about it: that comes first.
        if decision is None and config_file is None:
            decision = examine.this_system()
        names = remedy.names_of_root(b"/")
        found = list(doctor.foretold(decision, names)) if decision is not None else []
        if not any(finding.severity == ERROR for finding in found):
            raise
        found.append(Finding(ERROR, error.message, error.hint or "impermanence setup --dry-run"))
    # What will be again is said once; of a release that gave way, the releases tell more.
    told = {finding.code for finding in found if finding.code is not None}
    if hook is not None and hook.kind != outcome.GAVE_WAY and hook.code not in told:
        found.insert(0, _this_boot(hook, decision if mended else None))
    if cut is not None:  # until its last step there is no record, and setup alone would be the wrong way
        found = [cut, *(finding for finding in found if finding.code != setup_doctor.NO_RECORD)]
    return doctor.worst_first(found)


def _is_mended(hook: Trouble, decision: Decision, machine: Machine) -> bool:
    """Return whether the next boot will not have the trouble of this one, as far as can be foretold."""
    if decision.action not in MENDED or hook.image:
        return False
    if hook.kind == outcome.HELD:
        return decision.action == WIPED
    if hook.kind == outcome.ABSENT:
        return doctor_kernels.hooked(machine)
    row = remedy.reason_of(hook.code)
    # A step that failed is tried again; whether there is room now, no examination says.
    return hook.kind == outcome.FAILED or (row is not None and row.foretold)


def _this_boot(hook: Trouble, mended: Decision | None) -> Finding:
    what = trouble.line(hook)
    if mended is None:
        return Finding.with_remedy(ERROR, what, trouble.to_do(hook), hook.code)
    wipes = "the next boot will wipe" if mended.action == WIPED else next_boot.foretold(mended)
    if hook.kind == outcome.FAILED:
        return Finding(WARNING, what, f"{wipes}, if what failed is mended", hook.code)
    return Finding(NOTE, what, f"that is over: {wipes}", hook.code)


def text(found: Sequence[Finding], style: Style, columns: int) -> str:
    """Return the findings for a person; commands are never broken, so that they can be pasted."""
    wrong = [finding for finding in found if finding.severity != NOTE]
    if not wrong:
        lines = ["nothing is wrong."]
    else:
        errors = sum(finding.severity == ERROR for finding in wrong)
        serious = f", {wording.plural(errors, 'error')} among them" if errors else ""
        be = "is" if len(wrong) == 1 else "are"
        lines = [style.bold(f"{wording.plural(len(wrong), 'thing')} {be} wrong{serious}.")]
    lines += [""] if found else []
    for finding in found:
        head = f"  {finding.severity:<7}  "
        lines += wording.wrap(f"{finding.what}{_code(finding)}", columns, head, _INDENT)
        colon = ":" if finding.commands else ""
        lines += wording.wrap(f"hint: {finding.hint}{colon}", columns, _INDENT, _INDENT + " " * 6)
        lines += [f"{_INDENT}      {command}" for command in finding.commands]
    return "\n".join(lines) + "\n"


def _code(finding: Finding) -> str:
    return f" ({finding.code})" if finding.code is not None else ""
