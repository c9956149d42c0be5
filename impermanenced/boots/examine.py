"""The decision of the next boot, foretold by the program of the initrd itself.

`impermanence-rollback --examine` makes all the checks of a boot and changes nothing, so none of them is made
here again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import CommandError
from ..lazy import Deferred, regex
from ..model import Decision
from ..state import ROLLBACK, SOURCE, VOLUME_NAME
from ..system import command
from ..text import to_text
from ..volumes.machine import Machine, system_root
from . import loaders

if TYPE_CHECKING:
    from .remedy import Names

remedy: Any = Deferred("impermanenced.boots.remedy")  # most decisions need none

INSTALLED = b"/usr/lib/impermanence/impermanence-rollback"
_SOURCES = os.fsencode(__file__).rpartition(b"/impermanenced/")[0]
CHECKOUT = _SOURCES + b"/build/impermanence-rollback"  # of a developer
TIMEOUT = 30.0  # seconds

# What a boot does, as in ACTION= of its record; UNKNOWN: nobody could foretell it.
WIPED, BOOTED, KEPT, TRIED = "wiped", "booted", "kept", "trial"
REFUSED, FAILED, OFF, OTHER = "refused", "failed", "off", "other"
UNKNOWN = "unknown"

# These rest on words that may have been typed for this boot alone.
TYPED = ("off-asked", "command-line")

_NOWHERE = b"/dev/null/none"
_FIRST = regex(rb"([a-z]+)(?: (\d{1,9}))?(?:: (.*))?")
_CODE = regex(rb"^REASON_CODE=([a-z-]+)$", re.MULTILINE)
_VOLUME = regex(rb"^VOLUME=(" + VOLUME_NAME.encode() + rb")$", re.MULTILINE)


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
    """Return the decision for the running system, with what to do in its names."""
    found = decide(_kernel(b"/"))
    return found if found.code is None else _advised(found, remedy.names_of_root(b"/", found.volume))


def next_boot(machine: Machine) -> Decision:
    """Return the decision for the system that the volumes belong to, with what to do in its names."""
    root = system_root(machine.volumes)
    if root == b"/":
        found = decide(_kernel(root))
    else:
        # The command line that runs here is not theirs: what boots is what their record says.
        record = _NOWHERE if root is None else os.path.join(root, SOURCE)
        system: list[str | bytes] = ["--device", machine.device, "--cmdline", os.devnull, "--record", record]
        found = decide([*system, *_kernel(root)])
    return found if found.code is None else _advised(found, remedy.names_of_machine(machine, found.volume))


def _kernel(root: bytes | None) -> list[str | bytes]:
    """Return the words by which the program asks about the kernel that boots next."""
    return ["--release", loaders.next_release(root)]


def is_set_up(machine: Machine) -> bool:
    """Return whether a record tells the hook to roll back, on the disk or in the system."""
    root = system_root(machine.volumes)
    return os.path.lexists(machine.at(ROLLBACK)) or (
        root is not None and os.path.lexists(os.path.join(root, SOURCE))
    )


def _advised(decision: Decision, names: Names) -> Decision:
    found = remedy.of(decision.code, names)
    return decision if found is None else decision._replace(advice=found.line)


def parse(said: bytes) -> Decision:
    """Return the decision that the program printed."""
    first, _, rest = said.partition(b"\n")
    found, code, volume = _FIRST.fullmatch(first), _CODE.search(rest), _VOLUME.search(rest)
    if found is None:
        return Decision(UNKNOWN, why=f"the program said: {to_text(first)}")
    action, boot, why = found.groups()
    word = None if code is None else code[1].decode()
    to_do = None if word is None else remedy.of(word)
    return Decision(
        action=action.decode(),
        boot=None if boot is None else int(boot),
        why=to_text(why or b""),
        code=word,
        advice=None if to_do is None else to_do.line,
        volume=None if volume is None else volume[1].decode(),
    )


def _program() -> bytes:
    return CHECKOUT if os.path.exists(CHECKOUT) else INSTALLED
