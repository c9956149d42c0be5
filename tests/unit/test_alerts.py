from __future__ import annotations

import pytest

from impermanenced.alerts import announce, group, shutdown
from impermanenced.cli import rows
from impermanenced.losses import LossClass
from impermanenced.model import Change, Difference, Entry, FileType, Report, Verdict, Writer
from impermanenced.system import journal
from impermanenced.text import to_text

WRITER = Writer("a.service", b"/usr/bin/a", b"a", 7, 0, 1.0, 2.0)


def entry(
    path: bytes,
    writer: Writer | None = WRITER,
    size: int = 10,
    loss: LossClass | None = None,
    directory: bool = False,
    uid: int = 0,
) -> Entry:
    kind = FileType.DIRECTORY if directory else FileType.FILE
    difference = Difference(path, kind, Change.CREATED, "+......", 5, size, uid, 0, 0o644, 0)
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
    found.append(entry(b"/f/g", loss=LossClass.CACHE)._replace(score=90))
    apart = [
        one._replace(difference=one.difference._replace(path=b"/%d/x" % number))
        for number, one in enumerate(found)
    ]
    alerts = [alert.path.decode() for alert in group.group(apart)]
    assert alerts == [row.path for row in rows.rows(apart)]


def test_what_is_declared_is_an_alert_of_its_own_and_comes_first() -> None:
    declared = entry(b"/var/x/1", loss=LossClass.LOG)._replace(verdict=Verdict.DECLARED)
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


MALLORY = WRITER._replace(uid=1000)


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_a_farm_of_hard_links_does_not_hide_what_root_writes(known: bool) -> None:
    """Its 50,000 paths were announced with root's file among "50,002 more"."""
    sent: list[tuple[bytes, str, str, int, int]] = []
    announcer = announce.Announcer(lambda *signal: sent.append(signal), lambda: 1000.0)
    announcer.settle()
    mallory, root = (MALLORY, WRITER) if known else (None, None)
    farm = [entry(b"/tmp/%d/x" % n, mallory, loss=LossClass.SECRET, uid=1000) for n in range(50_000)]
    canaries = [entry(b"/tmp/canary", root), entry(b"/tmp/7/canary", root)]
    announcer.announce([*farm, *canaries])
    said = [path for path, *_ in sent]
    assert {b"/tmp/canary", b"/tmp/7/canary"} <= set(said)
    assert sent[-1] == (b"/tmp", "crud", "", 10 * (50_000 - group.BURST), 50_000 - group.BURST)
    announcer.announce([entry(b"/tmp/more", mallory, uid=1000), entry(b"/etc/late", root)])
    assert [signal[0] for signal in sent[-2:]] == [b"/etc/late", b"/tmp/more"], "this one only as a sum"


def test_a_report_names_the_worst_of_each_user() -> None:
    farm = [entry(b"/tmp/%d/x" % n, MALLORY, loss=LossClass.SECRET, uid=1000) for n in range(1000)]
    mine = entry(b"/tmp/7/canary")
    found = group.announcements([*farm, mine], [*farm, mine])
    named = [one for one in found.groups if isinstance(one, group.Alert)]
    assert b"/tmp/7/canary" in [one.path for one in named] and len(named) == group.BURST + 1
    (more,) = [one for one in found.groups if isinstance(one, group.Rest)]
    assert more.count == 1000 - group.BURST
    report = Report(True, None, 0, (), (*farm, mine))
    assert b"/tmp/7/canary" in [alert.path for alert in shutdown.compose(report).worst]


def test_uids_of_a_user_namespace_are_one_account() -> None:
    limit = group.RateLimit()
    many = [entry(b"/tmp/%d/x" % n, MALLORY._replace(uid=200_000 + n)) for n in range(5000)]
    said, held = limit.admit(group.group(many), 0.0)
    assert (len(said), len(held)) == (group.BURST, 5000 - group.BURST)


def test_a_path_is_said_again_when_a_worse_loss_is_found_there() -> None:
    """An empty file is announced; the private key that is written to it later must be as well."""
    limit = group.RateLimit()
    assert limit.fresh([entry(b"/k", loss=LossClass.CONFIG)])
    assert not limit.fresh([entry(b"/k", loss=LossClass.CACHE)])
    assert limit.fresh([entry(b"/k", loss=LossClass.SECRET)])
    assert not limit.fresh([entry(b"/k", loss=LossClass.SECRET), entry(b"/k", loss=LossClass.CONFIG)])


def test_what_a_user_writes_makes_nothing_of_the_systems_be_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group, "REMEMBERED", 1000)
    limit = group.RateLimit()
    mine = [entry(b"/etc/%d" % n) for n in range(100)]
    assert len(limit.fresh(mine)) == 100
    limit.fresh(entry(b"/home/m/%d" % n, MALLORY, uid=1000) for n in range(5000))
    assert not limit.fresh(mine)


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
            one._replace(difference=one.difference._replace(uid=uid))
            for uid in uids
            for one in [entry(b"/srv/x")]
        ]
        return group.bulk_alert(b"/srv", entries, 100, 1000)

    assert of(7, 7).owner == 7
    assert of(7, 0).owner is None
    assert group.plus(of(7), of(7)).owner == 7
    assert group.plus(of(7), of(8)).owner is None


def test_a_unit_of_a_user_does_not_pass_for_one_of_the_system() -> None:
    """A user may call a unit of the user's own manager `sshd.service`."""
    real = WRITER._replace(unit="sshd.service", kind="system", uid=0)
    forged = real._replace(kind="user", uid=1000)
    sent: list[str] = []
    announcer = announce.Announcer(lambda path, verdict, unit, size, count: sent.append(unit))
    announcer.settle()
    alerts = [*group.group([entry(b"/a/b", real)]), *group.group([entry(b"/c/d", forged)])]
    announcer.announce_groups(alerts)
    (_, fields), (_, forged_fields) = map(announce.alert_entry, alerts)
    assert fields["IMPERMANENCE_WRITER_UNIT"] == "sshd.service"
    assert "IMPERMANENCE_WRITER_UNIT" not in forged_fields
    assert forged_fields["IMPERMANENCE_WRITER_USER_UNIT"] == "sshd.service"
    kinds = [found["IMPERMANENCE_WRITER_KIND"] for found in (fields, forged_fields)]
    assert kinds == ["system", "user"]
    texts = [announce.describe(alert) for alert in alerts]
    assert ["by sshd.service (a)" in text for text in texts] == [True, False]
    assert "by user:sshd.service (a)" in texts[1]
    assert sent == ["sshd.service", "user:sshd.service"]
    uid = real._replace(uid=1000)
    assert len(group.group([entry(b"/e/1", uid), entry(b"/e/2", forged)])) == 2, "nor in a group of its own"


def test_what_a_package_manager_has_installed_is_announced_with_what_keeps_it() -> None:
    for path in (b"/var/lib/dpkg/status", b"/var/lib/pacman/local/hello-1-1"):
        message, _ = announce.alert_entry(group.group([entry(path)])[0])
        assert message.endswith("; the next boot undoes it, unless you keep it: impermanence update --same")
    message, _ = announce.alert_entry(group.group([entry(b"/var/lib/dpkgs")])[0])
    assert "update" not in message
