"""When a report is worth its time, with a clock of our own and nothing of a bus."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from impermanenced.config.load import ArchiveSettings, Config, GateSettings, LevelSettings, RollbackSettings
from impermanenced.config.values import NOTHING, Space
from impermanenced.daemon import limits
from impermanenced.daemon.limits import Limits
from impermanenced.losses import LossClass
from impermanenced.model import Decision, Spared
from impermanenced.report import forecast, report
from impermanenced.report.totals import Share, Tally
from impermanenced.system import journal
from impermanenced.system.login1 import Inhibitor

OFF = LevelSettings(NOTHING, NOTHING, NOTHING)
LEVELS = LevelSettings(Space(1000), Space(2000), Space(4000))


class Machine:
    def size(self) -> int:
        return 1 << 40

    def has_state(self) -> bool:
        return False

    def at(self, path: bytes) -> bytes:
        return b"/no/such/place/" + path


@dataclass
class Manager:
    config: Config
    volumes: tuple[()] = ()
    machine: Machine = field(default_factory=Machine)


class Case:
    """The limits of one configuration, what reports find, and what comes of it."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, levels: LevelSettings, gate: GateSettings | None = None
    ) -> None:
        found = Config(
            b"", (), (), ArchiveSettings(), RollbackSettings(), (), (), (),
            levels=levels, gate=gate or GateSettings(),
        )  # fmt: skip
        self.now = 10_000.0
        self.reports = 0
        self.takes = 0.0
        self.classes: dict[LossClass, Share] = {}
        self.said: list[tuple[str, int, int]] = []
        self.held = False
        monkeypatch.setattr("impermanenced.report.forecast.known", lambda config, machine: self.known)
        monkeypatch.setattr("impermanenced.boots.examine.is_set_up", lambda machine: True)
        monkeypatch.setattr("impermanenced.boots.examine.next_boot", self.foretell)
        self.known: Spared | None = None
        self.weight: int | None = None
        self.weighed = 0
        self.decision = Decision("unknown")
        self.foretold = 0
        self.manager = Manager(found)
        # What it asks of the manager is what the one above has, and of the inhibitor what is here.
        manager, inhibitor = cast(report.Manager, self.manager), cast(Inhibitor, self)
        self.limits = Limits(manager, self.report, self, inhibitor, self.weigh, lambda: self.now)

    def foretell(self, machine: object) -> Decision:
        self.foretold += 1
        return self.decision

    def weigh(self) -> int | None:
        self.weighed += 1
        return self.weight

    def settle(self) -> None:
        self.limits.settle()
        self.limits.look()

    def report(self) -> None:
        self.reports += 1
        self.now += self.takes
        self.limits.take(Tally(dict(self.classes)))

    def level(self, name: str, size: int, count: int) -> None:
        self.said.append((name, size, count))

    def hold(self, why: str, then: Any) -> None:
        self.held = True
        if then is not None:
            then()

    def release(self) -> bool:
        held, self.held = self.held, False
        return held

    def write(self, loss: LossClass, size: int) -> None:
        """One more path, which is looked up."""
        count, before = self.classes.get(loss, Share(0, 0))
        self.classes[loss] = Share(count + 1, before + size)
        self.limits.add(loss, size)
        self.limits.look()


def test_it_costs_nothing_where_nobody_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(monkeypatch, levels=OFF)
    case.settle()
    case.write(LossClass.SECRET, 1 << 40)
    case.now += 10_000
    case.limits.look()
    assert case.reports == 0 and not case.held and not case.said


def test_nothing_is_said_before_the_boot_has_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(monkeypatch, levels=LEVELS, gate=GateSettings(inhibit=True))
    case.write(LossClass.SECRET, 5000)
    case.report()
    assert case.reports == 1 and not case.held and not case.said
    case.settle()
    assert case.held and case.said == [("critical", 5000, 1)]


def test_a_report_is_made_when_a_level_may_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(monkeypatch, levels=LEVELS)
    case.settle()
    assert case.reports == 1, "how much there is to begin with"
    for _ in range(9):
        case.write(LossClass.LOG, 100)
    assert case.reports == 1 and not case.said
    case.write(LossClass.LOG, 100)
    assert case.reports == 2 and case.said == [("notice", 1000, 10)]
    case.write(LossClass.LOG, 100)
    assert case.reports == 2
    case.write(LossClass.LOG, 900)
    assert case.reports == 3 and case.said[1:] == [("warning", 2000, 12)]


def test_a_start_needs_no_report_where_the_volume_holds_less_than_a_level(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A report took most of the processor time of the first minutes."""
    case = Case(monkeypatch, levels=LEVELS)
    case.weight = 700
    case.settle()
    case.write(LossClass.LOG, 200)
    assert (case.weighed, case.reports) == (1, 0)
    case.weight = 900
    case.write(LossClass.LOG, 100)
    assert (case.weighed, case.reports) == (2, 0), "it may be more by now, and is not"
    case.write(LossClass.LOG, 50)
    assert (case.weighed, case.reports) == (2, 0)
    case.weight, case.classes[LossClass.LOG] = 1100, Share(4, 1050)
    case.write(LossClass.LOG, 50)
    assert (case.weighed, case.reports) == (3, 1) and case.said == [("notice", 1100, 5)]
    case.weight = 10
    case.classes[LossClass.LOG] = Share(1, 10)
    case.write(LossClass.LOG, 2000)
    assert (case.weighed, case.reports) == (3, 2), "whether a level is left again, only a report says"


def test_in_the_end_there_is_a_report_for_the_shutdown(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(monkeypatch, levels=LEVELS)
    case.weight = 700
    case.settle()
    case.limits.stir()
    case.now += limits.SELDOM - 1
    case.limits.look()
    assert case.reports == 0
    case.now += 1
    case.limits.look()
    assert (case.weighed, case.reports) == (1, 1)


def test_a_gate_that_refuses_needs_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(monkeypatch, levels=LEVELS, gate=GateSettings(inhibit=True))
    case.weight = 0
    case.settle()
    assert (case.weighed, case.reports) == (0, 1)


def test_a_level_has_its_priority_and_its_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[int, Any]] = []
    monkeypatch.setattr(journal, "write", lambda text, priority, fields: written.append((priority, fields)))
    case = Case(monkeypatch, levels=LEVELS)
    case.settle()
    for _ in range(3):
        case.write(LossClass.LOG, 1500)
    assert [priority for priority, _ in written] == [5, 4, 2], "syslog's notice, warning and critical"
    assert written[0][1] == {
        "MESSAGE_ID": journal.MESSAGE_LEVEL,
        "IMPERMANENCE_LEVEL": "notice",
        "IMPERMANENCE_BYTES": 1500,
        "IMPERMANENCE_COUNT": 1,
    }


def test_a_level_says_why_nothing_will_be_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[str, int]] = []
    monkeypatch.setattr(journal, "write", lambda text, priority, fields: written.append((text, priority)))
    case = Case(monkeypatch, levels=LEVELS)
    case.decision = Decision("trial")
    case.settle()
    case.write(LossClass.LOG, 4000)
    assert written == [
        (
            "state that does not persist has come to 3.9 KiB in 1 path, critical-bytes is 3.9 KiB; "
            "this is a trial, the next boot does not take it away",
            journal.LOG_INFO,
        )
    ]
    assert case.said == [], "nobody is alarmed"


def test_a_file_that_only_grows_is_seen_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(monkeypatch, levels=LEVELS)
    case.settle()
    case.classes[LossClass.LOG] = Share(1, 3000)
    case.now += limits.SELDOM
    case.limits.look()
    assert case.reports == 1, "nothing was written"
    case.limits.stir()
    case.limits.look()
    assert case.reports == 2 and case.said == [("warning", 3000, 1)]
    case.limits.stir()
    case.now += limits.SELDOM - 1
    case.limits.look()
    assert case.reports == 2


@pytest.mark.parametrize(("takes", "most"), [(0.1, 100), (20.0, 17), (100.0, 4)])
def test_constant_news_do_not_make_it_look_all_the_time(
    takes: float, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty minutes in which a secret comes every two seconds."""
    case = Case(monkeypatch, levels=OFF, gate=GateSettings(inhibit=True))
    case.takes = takes
    case.settle()
    end = case.now + 3000
    while case.now < end:
        case.now += 2
        case.write(LossClass.SECRET, 1)
    assert 1 < case.reports <= most + limits.BURST + 1


def test_the_gate_shuts_and_opens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = Case(monkeypatch, levels=OFF, gate=GateSettings(inhibit=True, block_bytes=Space(1000)))
    case.settle()
    case.write(LossClass.CONFIG, 10)
    assert case.reports == 1 and not case.held, "nothing that blocks"
    case.write(LossClass.SECRET, 10)
    assert case.reports == 2 and case.held
    case.classes = {}
    case.limits.stir()
    case.limits.look()
    assert case.reports == 3 and not case.held
    case.write(LossClass.LOG, 990)
    assert case.reports == 3 and not case.held
    case.write(LossClass.LOG, 10)
    assert case.reports == 4 and case.held
    assert capsys.readouterr().err.splitlines() == [
        "impermanenced: a reboot is refused: secret: 1 path, 10 B (systemctl reboot -i goes on regardless)",
        "impermanenced: a reboot is not refused any more",
        "impermanenced: a reboot is refused: 1000 B altogether, block-bytes is 1000 B "
        "(systemctl reboot -i goes on regardless)",
    ]


def test_who_shuts_and_opens_it_again_and_again_is_logged_a_few_times(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Anybody can cause a report by asking for one, and a refusal by writing what is a secret."""
    case = Case(monkeypatch, levels=OFF, gate=GateSettings(inhibit=True))
    case.settle()
    for step in range(120):
        case.classes = {LossClass.SECRET: Share(1, 10)} if step % 2 else {}
        case.report()
        assert case.held == bool(step % 2), "it is refused all the same"
        case.now += 0.25
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 * limits.WORDS, "refusals, and their ends"
    case.classes = {LossClass.SECRET: Share(1, 10)}
    case.report()
    assert case.held and not capsys.readouterr().err
    case.now += limits.WORDS_EACH
    case.report()
    assert "a reboot is refused: secret" in capsys.readouterr().err, "it stayed so"
    case.report()
    assert case.held and not capsys.readouterr().err, "once"


def test_no_sum_is_larger_than_what_the_filesystem_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(monkeypatch, levels=LEVELS)
    case.settle()
    case.limits.take(Tally({LossClass.LOG: Share(50, 50_000)}, used=1500))
    assert case.said == [("notice", 1500, 50)]


def test_a_request_to_keep_the_root_opens_it_without_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(monkeypatch, levels=OFF, gate=GateSettings(inhibit=True))
    case.settle()
    case.write(LossClass.SECRET, 10)
    reports = case.reports
    assert case.held
    case.known = Spared.ASKED
    case.limits.look()
    assert not case.held
    case.known = None
    case.limits.look()
    assert case.held and case.reports == reports


def test_a_boot_that_will_be_refused_opens_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program that foretells it runs once a minute, and only while the gate would block."""
    case = Case(monkeypatch, levels=OFF, gate=GateSettings(inhibit=True))
    case.settle()
    case.write(LossClass.CONFIG, 10)
    assert case.foretold == 0
    case.write(LossClass.SECRET, 10)
    assert case.held and case.foretold == 1
    case.decision = Decision("refused", why="words", code="blank-missing")
    case.now += forecast.FRESH - 1
    case.limits.look()
    assert case.held and case.foretold == 1
    case.now += 1
    case.limits.look()
    assert not case.held and case.foretold == 2


def test_another_configuration_counts_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(monkeypatch, levels=OFF)
    case.settle()
    case.write(LossClass.SECRET, 10)
    for inhibit in (True, False, True):
        gate = GateSettings(inhibit=inhibit)
        case.manager.config = case.manager.config._replace(gate=gate)
        case.limits.unsettle()
        case.limits.look()
        assert case.held is inhibit


def test_a_report_that_fails_is_not_tried_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(monkeypatch, levels=LEVELS)
    tried = 0

    def fail() -> None:
        nonlocal tried
        tried += 1
        raise OSError("no")

    case.limits._report = fail
    for _ in range(100):
        case.now += 1
        with contextlib.suppress(OSError):
            case.settle()
    assert tried <= limits.BURST + 100 / limits.EACH + 1
