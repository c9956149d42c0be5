from __future__ import annotations

import dataclasses

from impermanenced.alerts import announce, group
from impermanenced.cli import rows
from impermanenced.losses import LossClass
from impermanenced.model import Change, Difference, Entry, FileType, Verdict, Writer
from impermanenced.system import journal
from impermanenced.text import to_text

WRITER = Writer("a.service", b"/usr/bin/a", b"a", 7, 0, 1.0, 2.0)


def entry(
    path: bytes,
    writer: Writer | None = WRITER,
    size: int = 10,
    loss: LossClass | None = None,
    directory: bool = False,
) -> Entry:
    kind = FileType.DIRECTORY if directory else FileType.FILE
    difference = Difference(path, kind, Change.CREATED, "+......", 5, size, 0, 0, 0o644, 0)
    weight = loss.traits.weight if loss else 0
    return Entry("root", difference, Verdict.CRUD, "nothing declares it", loss, writer, weight)


def test_one_alert_for_a_directory_and_a_writer() -> None:
    other = Writer("b.service", b"/usr/bin/b", b"b", 8, 0, 1.0, 2.0)
    found = group.group(
        [
            entry(b"/var/x/1"),
            entry(b"/var/x/2", size=90),
            entry(b"/var/x/3", other),
            entry(b"/etc/key", None, loss=LossClass.SECRET),
        ]
    )
    assert [(alert.path, alert.count, alert.size) for alert in found] == [
        (b"/etc/key", 1, 10),  # a secret hurts most
        (b"/var/x", 2, 100),
        (b"/var/x/3", 1, 10),
    ]


def test_alerts_stand_in_the_order_of_status() -> None:
    found = [entry(b"/d/%s" % loss.encode(), loss=loss) for loss in reversed(LossClass)]
    found += [entry(b"/e/%d/f" % size, size=size, loss=LossClass.LOG) for size in (3, 900, 70)]
    # What else is known of one can make it worse than its class.
    found.append(dataclasses.replace(entry(b"/f/g", loss=LossClass.CACHE), score=90))
    apart = [
        dataclasses.replace(one, difference=dataclasses.replace(one.difference, path=b"/%d/x" % number))
        for number, one in enumerate(found)
    ]
    alerts = [alert.path.decode() for alert in group.group(apart)]
    assert alerts == [row.path for row in rows.rows(apart)]


def test_what_is_declared_is_an_alert_of_its_own_and_comes_first() -> None:
    declared = dataclasses.replace(entry(b"/var/x/1", loss=LossClass.LOG), verdict=Verdict.DECLARED)
    alerts = group.group([entry(b"/var/x/2", loss=LossClass.SECRET), declared])
    assert [(alert.path, alert.verdict) for alert in alerts] == [
        (b"/var/x/1", "declared"),
        (b"/var/x/2", "crud"),
    ]
    message, fields = announce.alert_entry(alerts[0])
    assert message.startswith("declared, but not mounted: /var/x/1 created by ")
    assert fields["IMPERMANENCE_VERDICT"] == "declared"


def test_a_new_tree_is_one_alert() -> None:
    made = [entry(b"/home/x/new", directory=True), entry(b"/home/x/new/deep/er", directory=True)]
    files = [entry(b"/home/x/new/deep/er/%d" % number) for number in range(50)]
    beside = entry(b"/home/x/newer")
    assert {(alert.path, alert.count) for alert in group.group([*files, *made, beside])} == {
        (b"/home/x/new", 52),
        (b"/home/x/newer", 1),
    }


def test_empty_directories_side_by_side_are_one_alert() -> None:
    made = [entry(b"/tmp/%d" % number, directory=True) for number in range(50)]
    assert [(alert.path, alert.count) for alert in group.group(made)] == [(b"/tmp", 50)]


def test_a_path_is_said_once() -> None:
    limit = group.RateLimit()
    assert len(limit.fresh([entry(b"/a"), entry(b"/b"), entry(b"/a")])) == 2
    assert not limit.fresh([entry(b"/b")])


def test_a_flood_is_held_back_and_added_up() -> None:
    sent: list[tuple[bytes, str, str, int, int]] = []
    now = [1000.0]
    announcer = announce.Announcer(lambda *signal: sent.append(signal), lambda: now[0])
    announcer.settle()
    announcer.announce(entry(b"/var/lib/d%d/f" % number) for number in range(100))
    assert len(sent) == group.BURST + 1
    assert sent[-1] == (b"/var/lib", "crud", "", 800, 80)
    now[0] += 10
    sent.clear()
    announcer.announce(entry(b"/var/cache/d%d/f" % number) for number in range(100))
    assert len(sent) == 5 + 1


def test_what_a_boot_writes_is_one_entry() -> None:
    sent: list[tuple[bytes, str, str, int, int]] = []
    announcer = announce.Announcer(lambda *signal: sent.append(signal))
    announcer.announce([entry(b"/var/lib/a/1"), entry(b"/var/lib/a/2")])
    announcer.announce([entry(b"/var/lib/b/1"), entry(b"/var/lib/a/2")])
    assert not sent
    announcer.settle()
    assert sent == [(b"/var/lib", "crud", "", 30, 3)]
    announcer.announce([entry(b"/var/lib/a/1")])
    announcer.announce([entry(b"/var/lib/c/1")])
    assert [signal[0] for signal in sent[1:]] == [b"/var/lib/c/1"]


def test_hostile_names_forge_nothing() -> None:
    """A file name with a newline and a field in it must stay one field (as AIDE's CVE-2025-54389 did not)."""
    path = b"/home/x/a\nPRIORITY=0\nMESSAGE=fine\x1b[2J\xff"
    writer = Writer("", b"/tmp/e\nvil\x1b]0;t\x07", b"\x1b[31m\xff\n", 9, None, 1.0, 2.0)
    message, fields = announce.alert_entry(group.group([entry(path, writer)])[0])
    assert message.isprintable()
    assert fields["IMPERMANENCE_PATH"] == to_text(path)
    assert fields["IMPERMANENCE_PATH_RAW"] == path
    for name, value in fields.items():
        if name != "IMPERMANENCE_PATH_RAW":
            assert str(value).isprintable(), name
    lines = journal.to_lines(message, 5, fields)
    names = [line.partition(b"=")[0] for line in lines]
    assert len(names) == len(set(names))
    assert names.count(b"PRIORITY") == 1


def test_a_plain_path_has_no_raw_field() -> None:
    _, fields = announce.alert_entry(group.group([entry("/home/ü".encode())])[0])
    assert fields["IMPERMANENCE_PATH"] == "/home/ü"
    assert "IMPERMANENCE_PATH_RAW" not in fields


def test_a_crowd_is_whose_all_are_that_were_looked_at() -> None:
    def of(*uids: int) -> group.Alert:
        entries = [
            dataclasses.replace(one, difference=dataclasses.replace(one.difference, uid=uid))
            for uid in uids
            for one in [entry(b"/srv/x")]
        ]
        return group.bulk_alert(b"/srv", entries, 100, 1000)

    assert of(7, 7).owner == 7
    assert of(7, 0).owner is None
    assert group.plus(of(7), of(7)).owner == 7
    assert group.plus(of(7), of(8)).owner is None
