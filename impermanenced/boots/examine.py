"""The decision of the next boot, foretold by the program of the initrd itself.

`impermanence-rollback --examine` makes all the checks of a boot and changes nothing, so none of them is made
here again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import CommandError
from ..state import SOURCE
from ..system import command
from ..text import to_text
from ..volumes.machine import Machine, system_root
from . import remedy, requests
from .remedy import NO_NAMES, Names, Remedy
from .requests import TRIAL

INSTALLED = b"/usr/lib/impermanence/impermanence-rollback"
CHECKOUT = os.fsencode(Path(__file__).parents[2] / "build/impermanence-rollback")  # of a developer
TIMEOUT = 30.0  # seconds

# What a boot does, as in ACTION= of its record; UNKNOWN: nobody could foretell it.
WIPED, BOOTED, KEPT, TRIED = "wiped", "booted", "kept", "trial"
REFUSED, FAILED, OFF, OTHER = "refused", "failed", "off", "other"
UNKNOWN = "unknown"

# These rest on words that may have been typed for this boot alone.
TYPED = ("off-asked", "command-line")

_NOWHERE = b"/dev/null/none"
_FIRST = re.compile(rb"([a-z]+)(?: (\d{1,9}))?(?:: (.*))?")
_CODE = re.compile(rb"REASON_CODE=([a-z-]+)")


@dataclass(frozen=True, slots=True)
class Decision:
    """What the next boot will do."""

    action: str  # one of the above
    boot: int | None = None  # of BOOTED: the number of the old root
    why: str = ""  # in the program's words, printable; of UNKNOWN: why it is not known
    code: str | None = None  # of a row in `reasons`
    names: Names = NO_NAMES  # of the machine, for what is to be done

    @property
    def remedy(self) -> Remedy | None:
        """Return what to do about it, or None where the table of reasons has nothing."""
        return remedy.of(self.code, self.names)

    @property
    def advice(self) -> str | None:
        """Return the remedy in one line, or None."""
        return None if self.remedy is None else self.remedy.line

    @property
    def fails(self) -> bool:
        """Return whether the rollback comes to nothing although it was to happen."""
        return self.action in (REFUSED, FAILED)


def decide(arguments: Sequence[str | bytes] = (), *, program: bytes | None = None) -> Decision:
    """Return the decision for the running system, or for the one that the arguments name.

    It is UNKNOWN where the program is not there, or where the caller may not look.
    """
    program = program or _program()
    try:
        said = command.run([program, "--examine", "--wait", "0", *arguments], timeout=TIMEOUT)
    except CommandError as error:
        return Decision(UNKNOWN, why=error.message)
    except OSError as error:
        return Decision(UNKNOWN, why=f"{to_text(program)}: {error.strerror}")
    return parse(said)


def this_system() -> Decision:
    """Return the decision for the running system, with its names."""
    found = decide()
    return found if found.code is None else replace(found, names=remedy.names_of_root(b"/"))


def next_boot(machine: Machine) -> Decision:
    """Return the decision for the system that the volumes belong to."""
    root = system_root(machine.volumes)
    if root == b"/":
        return this_system()
    # The command line that runs here is not theirs: what boots is what their record says.
    record = _NOWHERE if root is None else os.path.join(root, SOURCE)
    found = decide(["--device", machine.device, "--cmdline", os.devnull, "--record", record])
    return found if found.code is None else replace(found, names=remedy.names_of_machine(machine))


def parse(said: bytes) -> Decision:
    """Return the decision that the program printed."""
    first, _, rest = said.partition(b"\n")
    found, code = _FIRST.fullmatch(first), _CODE.search(rest)
    if found is None:
        return Decision(UNKNOWN, why=f"the program said: {to_text(first)}")
    action, boot, why = found.groups()
    return Decision(
        action=action.decode(),
        boot=None if boot is None else int(boot),
        why=to_text(why or b""),
        code=None if code is None else code[1].decode(),
    )


def spared(machine: Machine, wipe: bool) -> str | None:
    """Return why the next boot takes nothing away, or None if it may; `wipe` is the setting."""
    return why_spared(next_boot(machine), requests.spared(machine, wipe))


def why_spared(decision: Decision, asked: str | None) -> str | None:
    """Return why this decision takes nothing away, or None if it may.

    `asked` is what the configuration and the requests say about it; they decide where the program cannot, and
    where it rests on words that may have been typed for this boot alone.
    """
    if decision.code in TYPED:
        return asked
    if decision.fails:
        return f"the rollback will be refused ({decision.code})"
    match decision.action:
        case "other":
            return f"another root boots ({decision.code})"
        case "trial":
            return TRIAL
        case "wiped" | "booted":
            return None
    return asked


def _program() -> bytes:
    return CHECKOUT if os.path.exists(CHECKOUT) else INSTALLED
