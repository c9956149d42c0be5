"""`doctor`: what would stop a rollback, and what to do about it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from ...boots import doctor, doctor_layout, examine, history, outcome
from ...boots.doctor import ERROR, Finding, Running
from ...document.doctor import doctor_to_json
from ...document.fields import printed
from ...errors import NotSetUp
from ...report.forecast import foretell
from ...volumes.configured import configured
from .. import output, trouble, wording
from ..arguments import add_json
from ..output import Style
from ..verb import Shared, Verb


@dataclass(frozen=True, slots=True)
class Options:
    """There are no options besides the shared ones."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)


def read_options(found: argparse.Namespace) -> Options:
    return Options()


def run(options: Options, shared: Shared) -> int:
    found = look(shared.config)
    if shared.json:
        output.write(printed(doctor_to_json(found)))
    else:
        output.write(text(found, output.style(shared)))
    return 1 if any(finding.severity == ERROR for finding in found) else 0


verb = Verb(add_arguments, read_options, run)


def look(config_file: bytes | None) -> list[Finding]:
    """Return what is wrong.

    With a configuration of its own it is another system that is looked at, not the running one."""
    running = Running.read() if config_file is None else Running()
    decision = examine.decide() if config_file is None else None
    try:
        with configured(config_file) as (config, machine):
            decision = foretell(config, machine).decision
            found = doctor.examine(config, machine, running, decision)
            found += doctor_layout.examine(config, machine)
            found.sort(key=lambda finding: finding.severity != ERROR)
    except NotSetUp as error:
        # Where another root runs, the configuration is not about it: that comes first.
        found = list(doctor.foretold(decision)) if decision is not None else []
        if not any(finding.severity == ERROR for finding in found):
            raise
        found.append(Finding(ERROR, error.message, error.hint or "impermanence setup --dry-run"))
    hook = outcome.look(history.this_boot_id()) if config_file is None else None
    # What will be again is said once.
    if hook is not None and (hook.code is None or hook.code not in {finding.code for finding in found}):
        found.insert(0, Finding(ERROR, trouble.line(hook), trouble.remedy(hook), hook.code))
    return found


def text(found: Sequence[Finding], style: Style) -> str:
    """Return the findings for a person."""
    if not found:
        return "nothing is wrong.\n"
    errors = sum(finding.severity == ERROR for finding in found)
    serious = f", {wording.plural(errors, 'error')} among them" if errors else ""
    be = "is" if len(found) == 1 else "are"
    lines = [style.bold(f"{wording.plural(len(found), 'thing')} {be} wrong{serious}."), ""]
    for finding in found:
        lines += [
            f"  {finding.severity:<7}  {finding.what}{_code(finding)}",
            f"           hint: {finding.hint}",
        ]
    return "\n".join(lines) + "\n"


def _code(finding: Finding) -> str:
    return f" ({finding.code})" if finding.code is not None else ""
