"""The changes of the states of declarations that are announced: one that no longer holds, and one that holds
again.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..keep.state import Declared, Reason, State
from ..system import journal
from ..text import to_text

BURST = 4  # changes of one declaration that are announced at once
EVERY = 60.0  # seconds between two later ones: who owns a link can replace it without end


class Changes:
    """The memory of what was announced of each declaration."""

    def __init__(self) -> None:
        self._said: dict[bytes, Declared] = {}
        self._tokens: dict[bytes, tuple[float, float]] = {}  # tokens, and when

    def take(self, found: Iterable[Declared], now: float) -> list[Declared]:
        """Return the declarations whose state is to be announced, and mark it announced.

        What was never made is none at first: what is written there is announced by itself.
        """
        fresh: list[Declared] = []
        said: dict[bytes, Declared] = {}
        for one in found:
            before = self._said.get(one.path)
            said[one.path] = one
            if one.reason is Reason.WAITS:  # an automount comes and goes as it is used
                said[one.path] = before or one
                continue
            was = Reason.MOUNTED if before is None else before.reason
            changed = one.reason is not was and (before is not None or one.state is State.INCONSISTENT)
            if changed and self._admit(one.path, now):
                fresh.append(one)
            elif changed and before is not None:
                said[one.path] = before  # it is announced later, if it is still so then
        self._said = said
        self._tokens = {path: self._tokens[path] for path in said if path in self._tokens}
        return fresh

    def _admit(self, path: bytes, now: float) -> bool:
        tokens, then = self._tokens.get(path, (float(BURST), now))
        tokens = min(float(BURST), tokens + (now - then) / EVERY)
        admitted = tokens >= 1
        self._tokens[path] = tokens - admitted, now
        return admitted


def say(one: Declared) -> None:
    """Write the state of a declaration to the journal."""
    holds = one.state is State.ACTIVE
    words = "holds again" if holds else "does not hold"
    journal.write(
        f"declaration {words}: {to_text(one.path)}: {one.words}",
        journal.LOG_INFO if holds else journal.LOG_WARNING,
        {
            "MESSAGE_ID": journal.MESSAGE_HOLDS if holds else journal.MESSAGE_BROKEN,
            **journal.path_fields(one.path),
            "IMPERMANENCE_STATE": one.state.value,
            "IMPERMANENCE_WHY": one.words,
            **({"IMPERMANENCE_HINT": one.hint} if one.hint else {}),
        },
    )
