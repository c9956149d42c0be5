"""Which changes of a declaration's state are announced, and how often."""

from __future__ import annotations

import dataclasses

import pytest

from impermanenced.alerts import declarations
from impermanenced.alerts.declarations import BURST, EVERY, Changes
from impermanenced.keep.state import Declared, Reason
from impermanenced.system import journal

ONE = Declared(b"/a\x1b", b"/persist/a", True, b"/persist", "bind", "by", Reason.MOUNTED, "words", "hint")


def be(reason: Reason, path: bytes = b"/a\x1b") -> Declared:
    return dataclasses.replace(ONE, path=path, reason=reason)


def test_at_first_only_what_is_inconsistent() -> None:
    changes = Changes()
    found = [be(Reason.MOUNTED), be(Reason.UNMOUNTED, b"/b"), be(Reason.STALE, b"/c")]
    assert [one.path for one in changes.take(found, 0)] == [b"/c"]
    assert changes.take(found, 1) == []


def test_each_change_once_and_one_that_is_new_when_it_is_wrong() -> None:
    changes = Changes()
    changes.take([be(Reason.MOUNTED)], 0)
    assert changes.take([be(Reason.UNMOUNTED)], 1) == [be(Reason.UNMOUNTED)]
    assert changes.take([be(Reason.UNMOUNTED), be(Reason.MOUNTED, b"/b")], 2) == []
    assert changes.take([be(Reason.MOUNTED), be(Reason.KIND, b"/c")], 3) == [
        be(Reason.MOUNTED),
        be(Reason.KIND, b"/c"),
    ]
    assert changes.take([], 4) == []
    assert changes.take([be(Reason.MOUNTED)], 5) == []


def test_an_automount_comes_and_goes() -> None:
    changes = Changes()
    changes.take([be(Reason.MOUNTED)], 0)
    assert changes.take([be(Reason.WAITS)], 1) == []
    assert changes.take([be(Reason.MOUNTED)], 2) == []
    changes.take([be(Reason.WAITS, b"/b")], 3)
    assert [one.path for one in changes.take([be(Reason.STALE, b"/b")], 4)] == [b"/b"]


def test_who_owns_a_link_fills_no_journal() -> None:
    """The last state is said all the same, when there is room for it."""
    changes = Changes()
    changes.take([be(Reason.MOUNTED)], 0)
    states = [be(Reason.LINKED), be(Reason.LINK_REPLACED)]
    said = [changes.take([states[number % 2]], number / 1000) for number in range(1000)]
    assert sum(map(len, said)) == BURST
    last, other = be(Reason.ELSEWHERE), be(Reason.STALE, b"/b")
    assert changes.take([last, other], 2) == [other]
    assert changes.take([last, other], 2 + EVERY) == [last]
    assert changes.take([last, other], 3 + EVERY) == []


@pytest.mark.parametrize("reason", [Reason.STALE, Reason.MOUNTED])
def test_the_entry(reason: Reason, monkeypatch: pytest.MonkeyPatch) -> None:
    wrote: list[tuple[str, int, dict[str, object]]] = []
    monkeypatch.setattr(journal, "write", lambda *what: wrote.append(what))
    declarations.say(be(reason))
    ((message, priority, fields),) = wrote
    assert message.isprintable() and message.endswith(r": /a\x1b: words")
    assert fields["IMPERMANENCE_PATH_RAW"] == b"/a\x1b"
    wrong = reason is Reason.STALE
    assert (priority == journal.LOG_WARNING, fields["MESSAGE_ID"] == journal.MESSAGE_BROKEN) == (wrong, wrong)
