"""The report as JSON: it comes back as it was, and what is no report is refused in one line."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impermanenced.document import fields
from impermanenced.document.report import report_from_json, report_pieces, report_to_json
from impermanenced.errors import ServiceError
from impermanenced.losses import LossClass
from impermanenced.model import (
    Advice,
    AdviceKind,
    Change,
    Decision,
    Difference,
    Entry,
    FileType,
    Forecast,
    Others,
    Report,
    Spared,
    Unlisted,
    Verdict,
    Volume,
    Writer,
)
from impermanenced.text import to_text

SECOND = 10**9
FIRST, LAST = -62135510400, 253402214400  # the years 1 to 9999, wherever on Earth

# What a name may hold: bytes that are no UTF-8, what looks like an escape, what nobody sees.
names = st.one_of(
    st.binary(max_size=12),
    st.text(max_size=8).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from([b"\\x41", b"\\", b"\xff", b"a\nb", b"\x1b[31m", "\u202etxt".encode(), b"\xed\xa0\x80"]),
).map(lambda raw: raw.replace(b"\0", b""))
paths = names.map(lambda raw: b"/" + raw)
texts = st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), names.map(fields.escaped))
decoded = names.map(lambda raw: raw.decode("utf-8", "surrogateescape"))
seconds = st.one_of(st.integers(FIRST, LAST), st.sampled_from([FIRST, -1, 0, 1, 2**31, 2**32, LAST]))
sizes = st.integers(0, 2**63)
uids = st.integers(0, 2**32 - 1)
letters = st.tuples(st.sampled_from("-+ct."), *(st.sampled_from(f"{letter}.") for letter in "pugxam")).map(
    "".join
)
advice = st.builds(Advice, st.sampled_from(AdviceKind), texts)

differences = st.builds(
    Difference,
    path=paths,
    type=st.sampled_from(FileType),
    change=st.sampled_from(Change),
    letters=letters,
    inode=sizes,
    size=sizes,
    uid=uids,
    gid=uids,
    mode=st.integers(0, 0o7777),
    mtime=seconds.map(lambda second: second * SECOND),
    target=st.none() | names,
    subvolume=st.none() | sizes,
    ctime=seconds.map(lambda second: second * SECOND),
    allocated=st.none(),
)
writers = st.builds(
    Writer,
    unit=decoded,
    exe=names,
    comm=names,
    pid=st.integers(0, 2**22),
    uid=st.none() | uids,
    first=seconds,
    last=seconds,
    kind=st.sampled_from(["", "system", "user", "session", "container"]),
)
entries = st.builds(
    Entry,
    volume=st.sampled_from(["root", "home"]),
    difference=differences,
    verdict=st.sampled_from(Verdict),
    rule=texts,
    loss=st.none() | st.sampled_from(LossClass),
    writer=st.none() | writers,
    score=st.integers(0, 100),
    application=texts,
    unit=decoded,
    package=texts,
    group=st.just(b"") | paths,
    lost=st.integers(0, 6),
    because=st.lists(texts, max_size=3).map(tuple),
    advice=st.lists(advice, max_size=3).map(tuple),
    hidden=st.booleans(),
    unpushed=texts,
    bookkeeping=st.booleans(),
)


def volumes(name: str) -> st.SearchStrategy[Volume]:
    return st.builds(Volume, st.just(name), paths, paths, names, sizes, st.none() | names, st.none() | sizes)


forecasts = st.builds(
    Forecast,
    st.builds(
        Decision,
        st.sampled_from(["wiped", "booted", "kept", "trial", "refused", "failed", "other", "off", "unknown"]),
        st.none() | st.integers(0, 999),
        texts,
        st.none() | st.sampled_from(["no-record", "blank-missing"]),
        st.none() | texts,
        volume=st.none(),
    ),
    st.none() | st.sampled_from(Spared),
)
reports = st.builds(
    Report,
    complete=st.booleans(),
    watching_since=st.none() | seconds,
    overflows=sizes,
    curtailed=sizes,
    volumes=st.tuples(volumes("root"), volumes("home")),
    entries=st.lists(entries, max_size=4).map(tuple),
    gaps=st.lists(st.tuples(seconds, seconds), max_size=3).map(tuple),
    settled=st.none() | seconds,
    notes=st.lists(texts, max_size=2).map(tuple),
    others=st.none() | st.builds(Others, sizes, sizes),
    forecast=st.none() | forecasts,
    faults=st.lists(texts, max_size=2).map(tuple),
    unheard=st.none(),  # nobody else hears of it
    unlisted=st.lists(
        st.builds(Unlisted, st.sampled_from(LossClass), st.integers(1, 2**64 - 1), sizes), max_size=2
    ).map(tuple),
)


def written(report: Report) -> bytes:
    return "".join(report_pieces(report)).encode("utf-8", "surrogateescape")


@hypothesis.settings(deadline=None, max_examples=300)
@given(reports)
def test_a_report_comes_back_as_it_was(report: Report) -> None:
    assert report_from_json(written(report)) == report


def test_a_report_of_an_older_daemon_has_no_forecast() -> None:
    document = json.loads(written(REPORT._replace(forecast=Forecast(Decision("wiped")))))
    del document["next_boot"]
    assert report_from_json(json.dumps(document).encode()).forecast is None
    document["next_boot"] = {"action": "wiped", "boot": None, "reason": None, "reason_code": None}
    with pytest.raises(ServiceError, match="next_boot"):
        report_from_json(json.dumps(document).encode())


@hypothesis.settings(deadline=None)
@given(reports)
def test_pieces_are_the_whole_document(report: Report) -> None:
    assert json.loads("".join(report_pieces(report))) == json.loads(json.dumps(report_to_json(report)))


def difference(path: bytes = b"/etc/a", **changes: Any) -> Difference:
    plain = Difference(
        path, FileType.FILE, Change.CREATED, "+......", 257, 3, 0, 0, 0o640, 1_700_000_000 * SECOND
    )
    return plain._replace(**changes)


ENTRY = Entry(
    "root", difference(), Verdict.CRUD, "nothing declares it", LossClass.CONFIG,
    Writer("a.service", b"/bin/a", b"a", 1, 0, 1.7e9, 1.7e9, "system"), 45,
    advice=(Advice(AdviceKind.PERSIST_FILE, "/etc/a"),),
)  # fmt: skip
ROOT = Volume("root", b"/", b"/", b"root", 256, b"root-blank", 257)
REPORT = Report(True, 1.7e9, 0, (ROOT,), (ENTRY,), ((1.7e9, 1.7e9 + 5),), 1.7e9, ("a note",), Others(1, 2))


def of_entry(**changes: Any) -> Report:
    return REPORT._replace(entries=(ENTRY._replace(**changes),))


@pytest.mark.parametrize(
    ("nanoseconds", "comes_back"),
    [
        (1_700_000_000_999_999_999, 1_700_000_000 * SECOND),  # down, also where a float would round up
        (-1, -SECOND),
        (2**63 - 1, (2**63 - 1) // SECOND * SECOND),
        (10**30, 0),  # no date has a text for it
        (-(10**30), 0),
    ],
)
def test_a_time_comes_back_in_whole_seconds(nanoseconds: int, comes_back: int) -> None:
    report = of_entry(difference=difference(mtime=nanoseconds, ctime=nanoseconds))
    (entry,) = report_from_json(written(report)).entries
    assert (entry.difference.mtime, entry.difference.ctime) == (comes_back, comes_back)


@given(st.floats(FIRST, LAST))
def test_the_time_of_a_writer_comes_back_in_whole_seconds(then: float) -> None:
    assert ENTRY.writer is not None
    report = of_entry(writer=ENTRY.writer._replace(first=then, last=then))
    writer = report_from_json(written(report)).entries[0].writer
    assert writer is not None and (writer.first, writer.last) == (math.floor(then), math.floor(then))


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/New_York", "Africa/Monrovia"])
def test_a_time_is_the_same_in_every_zone(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hours = range(1_698_000_000, 1_700_000_000, 1800)  # with the end of summer time
    moments = [*hours, -2_000_000_000, FIRST, LAST]  # and the offsets of a century ago, which have seconds
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        fields._seconds.cache_clear()
        written_times = [(moment, json.loads(written(of_entry(difference=difference(mtime=moment * SECOND)))))
                         for moment in moments]  # fmt: skip
        for moment, document in written_times:
            report = report_from_json(json.dumps(document).encode())
            assert report.entries[0].difference.mtime == moment * SECOND
    finally:
        monkeypatch.undo()
        time.tzset()


@hypothesis.settings(deadline=None)
@given(paths)
def test_a_path_has_its_exact_bytes_beside_it(raw: bytes) -> None:
    found = json.loads(json.dumps(fields.path_fields(raw)))
    assert fields.path(found) == raw
    assert ("path_raw" in found) == (to_text(raw).encode() != raw)


# What is no report


def refused(content: bytes) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        report_from_json(content)
    assert caught.value.exit_code == 1
    assert len(caught.value.message.splitlines()) == 1
    assert caught.value.message.isprintable()
    assert caught.value.hint
    return caught.value


def changed(change: Callable[[Any], object]) -> bytes:
    document = json.loads(written(REPORT))
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda d: d.pop("version"), "version: is missing"),
        (lambda d: d.update(version=2), "version: 2 is newer than this program's 1"),
        (lambda d: d.update(version=0), "version: 0 is older than this program's 1"),
        (lambda d: d.update(version="1"), "version: '1' is not a number"),
        (lambda d: d.update(version=True), "version: True is not a number"),
        (lambda d: d.update(complete=1), "complete: 1 is not true or false"),
        (lambda d: d.update(overflows=-1), "overflows: -1 is not a number from 0 to "),
        (lambda d: d.update(overflows=1.0), "overflows: 1.0 is not a number"),
        (lambda d: d.update(notes=["a", 1]), "notes: a list is not a list of texts"),
        (lambda d: d.update(settled=5), "settled: 5 is not a text"),
        (lambda d: d.update(watching_since="yesterday"), "watching_since: 'yesterday' is not a time"),
        (lambda d: d.update(watching_since="2026-01-01T00:00:00"), "is not a time with its offset"),
        (lambda d: d.update(gaps=[["2026-01-01T00:00:00Z"]]), "gaps[0]: is not a pair of times"),
        (lambda d: d["gaps"][0].__setitem__(1, None), "gaps[0][1]: None is not a text"),
        (lambda d: d.update(others=None), "others: None is not an object"),
        (lambda d: d.update(others={}), "others.entries: is missing"),
        (lambda d: d.update(volumes={}), "volumes: an object is not a list"),
        (lambda d: d.update(volumes=[]), "volumes: there is none"),
        (lambda d: d.update(volumes=[[]]), "volumes[0]: is not an object"),
        (lambda d: d["volumes"][0].pop("blank"), "volumes[0].blank: is missing"),
        (lambda d: d["volumes"][0].update(mountpoint="mnt"), "mountpoint: 'mnt' is not an absolute path"),
        (lambda d: d.pop("entries"), "entries: is missing"),
        (lambda d: d["entries"].append(3), "entries[1]: is not an object"),
        (lambda d: d["entries"][0].update(volume="home"), "entries[0].volume: is not the name of one of"),
        (
            lambda d: d["entries"][0].update(verdict="lost"),
            "entries[0].verdict: 'lost' is not one of persisted,",
        ),
        (lambda d: d["entries"][0].update(type="door"), "entries[0].type: 'door' is not one of file,"),
        (lambda d: d["entries"][0].update(change=None), "entries[0].change: None is not one of created,"),
        (
            lambda d: d["entries"][0].update(loss="treasure"),
            "entries[0].loss: 'treasure' is not one of secret,",
        ),
        (lambda d: d["entries"][0].update(loss=["secret"]), "entries[0].loss: a list is not one of"),
        (lambda d: d["entries"][0].update(mode="0999"), "entries[0].mode: '0999' is not four octal digits"),
        (lambda d: d["entries"][0].update(mode=0o644), "entries[0].mode: 420 is not four octal digits"),
        (lambda d: d["entries"][0].update(uid=2**32), "entries[0].uid: 4294967296 is not a number from 0 to"),
        (lambda d: d["entries"][0].update(score=101), "entries[0].score: 101 is not a number from 0 to 100"),
        (lambda d: d["entries"][0].update(letters="+"), "entries[0].letters: '+' are not the seven letters"),
        (lambda d: d["entries"][0].update(path="etc"), "entries[0].path: 'etc' is not an absolute path"),
        (lambda d: d["entries"][0].update(path="/\0"), "entries[0].path: '/\\x00' is not an absolute path"),
        (
            lambda d: d["entries"][0].update(path="/\ud800"),
            "entries[0].path: '/\\ud800' is not valid Unicode",
        ),
        (lambda d: d["entries"][0].update(path="/a\\"), "entries[0].path: '/a\\\\' is not a path by itself"),
        (lambda d: d["entries"][0].update(path_raw="!"), "entries[0].path_raw: '!' is not base64"),
        (
            lambda d: d["entries"][0].update(path_raw="L2I="),
            "path_raw: 'L2I=' is not the path that path shows",
        ),
        (lambda d: d["entries"][0].update(writer=[]), "entries[0].writer: a list is not an object"),
        (lambda d: d["entries"][0]["writer"].update(exe="\\q"), r"writer.exe: '\\q' is not a text with \xNN"),
        (lambda d: d["entries"][0]["writer"].pop("last"), "entries[0].writer.last: is missing"),
        (lambda d: d["entries"][0]["advice"][0].update(kind="pray"), "advice[0].kind: 'pray' is not one of"),
        (lambda d: d["entries"][0].update(rule="x" * 100 + "\n", verdict="y" * 100), "yyy... is not one of"),
        (lambda d: d["entries"][0].pop("inode"), "entries[0].inode: is missing"),
    ],
)
def test_a_wrong_field_is_named(change: Callable[[Any], object], why: str) -> None:
    assert why in refused(changed(change)).message


@pytest.mark.parametrize(
    "content",
    [
        b"", b"null", b"[]", b'"report"', b"{", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000,
        b'{"version": ' + b"1" * 5000 + b"}", b"NaN", b'{"version": 1e999}',
    ],
    ids=lambda content: content[:8].decode("latin-1"),
)  # fmt: skip
def test_what_is_no_document_is_refused(content: bytes) -> None:
    assert "its report" in refused(content).message


def test_a_report_that_is_cut_off_is_refused() -> None:
    content = written(REPORT)
    for end in range(len(content)):
        assert "cut off" in refused(content[:end]).message


def test_keys_of_a_newer_daemon_are_left_alone() -> None:
    more = changed(lambda d: (d.update(weather="fine"), d["entries"][0].update(mood=3)))
    assert report_from_json(more) == REPORT


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@hypothesis.settings(deadline=None, max_examples=500)
@given(st.data())
def test_anything_in_any_place_is_a_report_or_one_line(data: st.DataObject) -> None:
    document = copy.deepcopy(json.loads(written(REPORT)))
    place: Any = document
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        place = inner
    place[key] = data.draw(junk)
    content = json.dumps(document).encode()
    try:
        report_from_json(content)
    except ServiceError:
        refused(content)
