"""States of declarations: the table of reasons, who sees which, and what a backup reads."""

from __future__ import annotations

import dataclasses

import pytest

from impermanenced.document.declared import states_from_json, states_to_json
from impermanenced.document.fields import dump
from impermanenced.errors import ServiceError
from impermanenced.keep import kept
from impermanenced.keep.state import STATES, Declared, Reason, State, visible_to

from ... import schema

ONE = Declared(
    b"/var/log", b"/persist/var/log", True, b"/persist", "bind", "by", Reason.MOUNTED, "words", kept=True
)


def named(path: bytes, **changes: object) -> Declared:
    return dataclasses.replace(ONE, path=path, source=b"/persist" + path, **changes)  # type: ignore[arg-type]


def test_each_reason_has_a_state_and_stands_in_the_schema() -> None:
    assert set(STATES) == set(Reason)
    words = schema.schema()["$defs"]
    assert words["reason"]["enum"] == [reason.value for reason in Reason]
    assert words["state"]["enum"] == [state.value for state in State]


def test_a_user_sees_what_is_that_users() -> None:
    found = [named(b"/a", uid=None), named(b"/b", uid=1000), named(b"/c", uid=0), named(b"/d", uid=1001)]
    assert [one.path for one in visible_to(found, 1000)] == [b"/b"]
    assert visible_to(found, 0) == found


def test_what_a_backup_reads() -> None:
    found = [
        named(b"/var/log"),
        named(b"/var"),
        named(b"/var-x"),
        named(b"/lost", kept=False),
        named(b"/link", reason=Reason.LINKED),
        named(b"/file", directory=False),
    ]
    assert kept.paths(found) == [b"/file", b"/persist/link", b"/var", b"/var-x"]


def test_the_document_reads_back() -> None:
    found = [named(b"/a\n\xff", reason=Reason.STALE, commands=("a", "b"), hint="h"), named(b"/b", kept=False)]
    document = states_to_json(found)
    schema.check("status_persist", document)
    text = dump(document).encode("utf-8", "surrogateescape")
    assert states_from_json(text) == found
    with pytest.raises(ServiceError, match=r"declarations\[1\].reason: 'up' is not one of"):
        states_from_json(text.replace(b'"reason": "mounted"', b'"reason": "up"'))
