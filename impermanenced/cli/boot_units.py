"""What two units do at each boot: they mark it as complete, and tell if its rollback did not happen.

Logins wait for the second, so little is loaded: the words and the journal only if there is something to tell.
"""

from __future__ import annotations

from ..boots import good, outcome
from ..boots.boot_id import this_boot_id
from ..lazy import Deferred

_trouble = Deferred("impermanenced.cli.trouble")
_journal = Deferred("impermanenced.system.journal")


def mark_good() -> None:
    """Mark this boot as complete."""
    good.mark(good.result(), this_boot_id())


def alert() -> None:
    """Tell the journal and every login if this boot's rollback did not do what it is for."""
    found = outcome.look(this_boot_id())
    outcome.tell_logins(None if found is None else _trouble.login_line(found))
    if found is None:
        return
    try:
        write = _journal.write
    except ImportError:  # the package works without the library of the journal
        return
    messages = {
        outcome.HELD: _journal.MESSAGE_HELD,
        outcome.OTHER: _journal.MESSAGE_OTHER_ROOT,
        outcome.GAVE_WAY: _journal.MESSAGE_GAVE_WAY,
    }
    message = messages.get(found.kind)
    fields = {
        "MESSAGE_ID": message or _journal.MESSAGE_NOT_ROLLED_BACK,
        "SYSLOG_IDENTIFIER": "impermanence",
        "IMPERMANENCE_ACTION": found.kind,
        "IMPERMANENCE_REASON": _trouble.reason(found),
        **({} if found.code is None else {"IMPERMANENCE_REASON_CODE": found.code}),
    }
    write(_trouble.line(found), _journal.LOG_WARNING if message else _journal.LOG_ERR, fields)
