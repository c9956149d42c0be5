"""What `doctor` says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...boots import doctor, history, outcome
from ...boots.doctor import ERROR, Finding, Running
from ...report.report import Manager
from ...text import JSON_VERSION
from .. import wording
from ..show import Style
from . import boots


def examine(config: bytes | None) -> list[Finding]:
    """With a configuration of its own it is another system that is looked at, not the running one."""
    running = Running.read() if config is None else Running()
    with Manager(config) as manager:
        found = doctor.examine(manager.config, manager.machine, running)
    hook = outcome.look(history.this_boot_id()) if config is None else None
    if hook is not None:
        found.insert(0, Finding(ERROR, boots.trouble_line(hook), boots.remedy(hook)))
    return found


def exit_code(found: Sequence[Finding]) -> int:
    return 1 if any(finding.severity == ERROR for finding in found) else 0


def to_json(found: Sequence[Finding]) -> dict[str, Any]:
    return {
        "version": JSON_VERSION,
        "findings": [
            {"severity": finding.severity, "what": finding.what, "hint": finding.hint} for finding in found
        ],
    }


def show(found: Sequence[Finding], style: Style) -> str:
    if not found:
        return "nothing is wrong.\n"
    errors = sum(finding.severity == ERROR for finding in found)
    serious = f", {wording.plural(errors, 'error')} among them" if errors else ""
    verb = "is" if len(found) == 1 else "are"
    lines = [style.bold(f"{wording.plural(len(found), 'thing')} {verb} wrong{serious}."), ""]
    for finding in found:
        lines += [f"  {finding.severity:<7}  {finding.what}", f"           hint: {finding.hint}"]
    return "\n".join(lines) + "\n"
