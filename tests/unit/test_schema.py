"""docs/report.schema.json: what ships is valid, closed under what is printed, and has the program's words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hypothesis
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impermanenced.boots.history import Boot, History
from impermanenced.boots.listing import Listing
from impermanenced.boots.old_roots import OldRoot
from impermanenced.boots.records import BootRecord, EndRecord, NextRequest
from impermanenced.boots.requests import Pending
from impermanenced.config.placement import Ownership
from impermanenced.document.boots import boots_to_json
from impermanenced.document.explanation import explanation_to_json
from impermanenced.document.fields import dump
from impermanenced.document.news import (
    Announcement,
    Holds,
    Overflow,
    Reached,
    Sum,
    Undeclared,
    news_from_json,
    news_to_json,
)
from impermanenced.document.report import report_to_json
from impermanenced.document.status import diff_to_json, status_to_json
from impermanenced.document.suggest import suggestion_to_json
from impermanenced.errors import ServiceError
from impermanenced.keep.state import Reason
from impermanenced.losses import LossClass
from impermanenced.model import Advice, AdviceKind, Change, Decision, FileType, Forecast, Report, Verdict
from impermanenced.report.explanation import explain
from impermanenced.report.suggest import Remedy, RemedyKind, Suggestion, Wanted

from .. import schema
from .test_document import ENTRY, REPORT, paths, reports, seconds, sizes, writers

DOCS = Path(schema.SCHEMA).parent
WIPES = Forecast(Decision("wiped"))
FORETOLD = REPORT._replace(forecast=WIPES)
ID = "f3b2a1d0-1111-4222-8333-444455556666"


def definitions() -> Any:
    return schema.schema()["$defs"]


def test_it_is_a_valid_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema.schema())
    text = schema.SCHEMA.read_text()
    used = {name for name in definitions() if f'"#/$defs/{name}"' in text}
    assert used == set(definitions()), "each definition is used"


@pytest.mark.parametrize(
    ("name", "words"),
    [("verdict", Verdict), ("type", FileType), ("change", Change)],
    ids=str,
)
def test_it_has_the_words_of_the_program(name: str, words: Any) -> None:
    assert definitions()[name]["enum"] == [word.value for word in words]


def test_it_has_the_kinds_of_the_program() -> None:
    assert definitions()["advice"]["properties"]["kind"]["enum"] == [kind.value for kind in AdviceKind]
    assert definitions()["uncovered"]["properties"]["kind"]["enum"] == list(RemedyKind)
    for loss in LossClass:
        schema.check("loss", loss)


def test_a_key_that_it_does_not_describe_is_found() -> None:
    document = json.loads(dump(status_to_json(FORETOLD, all_verdicts=True)))
    schema.check("status", document)
    for place in (document, document["entries"][0], document["volumes"][0], document["entries"][0]["writer"]):
        place["more"] = 1
        with pytest.raises(AssertionError, match="more"):
            schema.check("status", document)
        del place["more"]


def test_the_man_page_names_every_key() -> None:
    page = (DOCS / "impermanence.1.scd").read_text()
    left_out = {"bytes", "exe"}
    for name in (
        "head",
        "volume",
        "entry",
        "next_boot",
        "foretold_entry",
        "status",
        "diff",
        "suggest",
        "gate",
        "watch_crud",
        "boots",
        "boot",
    ):
        for key in definitions()[name]["properties"]:
            if not key.endswith("_raw") and key not in left_out:
                assert f"*{key}*" in page, f"{name}.{key}"


@hypothesis.settings(deadline=None, max_examples=50)
@given(reports, st.booleans(), st.none() | st.just("09:30"))
def test_any_report_is_as_it_says(report: Report, whole: bool, since: str | None) -> None:
    foretold = report if report.forecast else report._replace(forecast=WIPES)
    for name, document in (
        ("report", report_to_json(report)),
        ("status", status_to_json(foretold, all_verdicts=whole, since=since)),
        ("diff", diff_to_json(report)),
        ("explanation", explanation_to_json(explain(report, b"/"))),
    ):
        schema.check(name, json.loads(dump(document)))


announcements = st.one_of(
    st.builds(
        Undeclared,
        time=seconds,
        path=paths,
        change=st.sampled_from([*(change.value for change in Change), "changed"]),
        loss=st.sampled_from(LossClass),
        size=sizes,
        count=sizes,
        writer=st.none() | writers,
    ),
    st.builds(Sum, time=seconds, path=paths, size=sizes, count=sizes, boot=st.booleans()),
    st.builds(Overflow, time=seconds, overflows=sizes),
    st.builds(
        Reached,
        time=seconds,
        level=st.sampled_from(["notice", "warning", "critical"]),
        size=sizes,
        count=sizes,
    ),
    st.builds(Holds, time=seconds, path=paths, reason=st.sampled_from(Reason), words=st.just("it is")),
)


@hypothesis.settings(deadline=None)
@given(announcements)
def test_news_come_back_as_they_were(news: Announcement) -> None:
    text = dump(news_to_json(news))
    assert news_from_json(text) == news
    schema.check("watch", json.loads(text))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "cut off"),
        ("{}", "version: is missing"),
        ('{"version": 2}', "version: 2 is newer"),
        ('{"version": 1, "kind": 1}', "kind: 1 is not a text"),
        ('{"version": 1, "kind": "overflow", "time": "2026-01-01T00:00:00Z"}', "overflows: is missing"),
    ],
)
def test_news_that_are_none_are_refused_in_one_line(text: str, why: str) -> None:
    with pytest.raises(ServiceError, match=why) as caught:
        news_from_json(text)
    assert caught.value.message.isprintable()


def test_news_of_a_kind_that_is_not_known_are_passed_on() -> None:
    document = {"version": 1, "kind": "party", "time": "2026-01-01T00:00:00+00:00", "guests": [1, 2]}
    assert news_to_json(news_from_json(json.dumps(document))) == document


def test_boots_as_they_can_be() -> None:
    record = BootRecord(7, ID, 1_700_000_000, "6.1.0", "booted", "words\n", boot=3, hold=True)
    boots = (
        Boot(7, ID, 1.7e9, "running", record=record, left=EndRecord(ID, 1_700_000_000, 3, 4, True)),
        Boot(6, ID, 1.7e9, "bad", 1.7e9, "cut", went_on=7),
        Boot(None, fault="words", old_roots=(OldRoot(b"old_roots/6-\xff", 6, None, 5),)),
    )
    history = History(boots, ("root",), b"old_roots", True)
    requests = (None, Pending(None, 1.7e9, "words"), Pending(NextRequest("boot", ID, 3, 1), 1.7e9))
    for request in requests:
        for listing in (Listing(history, request), Listing(history, request, {b"old_roots/6-\xff": 7})):
            schema.check("boots", json.loads(dump(boots_to_json(listing))))


def test_a_suggestion_as_it_can_be() -> None:
    advice = (Advice(AdviceKind.HOME_MANAGER, "programs.git"),)
    own = Ownership("alice", "users", "0700")
    wanted = (
        Wanted(b"/home/alice/\xff", True, b"/persist", "alice", b"/home/alice", own, own, instead=(advice,)),
        Wanted(b"/etc/a", False, b"/persist", method="symlink", declared=True, why="words", count=1, size=2),
    )
    remedies = (
        Remedy(RemedyKind.ELSEWHERE, (b"/a",), advice=advice),
        Remedy(RemedyKind.PACKAGE, (b"/\xff",), package="vim"),
    )
    found = Suggestion(wanted, remedies, (), 4, 2)
    schema.check("suggest", json.loads(dump(suggestion_to_json(found, b"/persist\n"))))


def test_an_entry_without_anything_known_is_as_it_says() -> None:
    schema.check("whole_entry", report_to_json(REPORT)["entries"][0])  # type: ignore[index]
    assert ENTRY in REPORT.entries
