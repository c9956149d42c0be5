"""What it means that everybody agrees on the next boot, and that the disk is as they said."""

from __future__ import annotations

import json
import os

from impermanenced.alerts import shutdown
from impermanenced.boots.examine import TYPED
from impermanenced.document.report import forecast_to_json
from impermanenced.model import LOSSES, Change, Entry, FileType, Forecast, Report, Spared, Verdict
from impermanenced.report.forecast import Fate, fate, loses

from .machine import Machine, Tree

DOES = {
    "wiped": "the next boot wipes",
    "booted": "the next boot gets a copy of old root",
    "kept": "keeps the root",
    "trial": "this is a trial",
    "refused": "the rollback of the next boot will be refused",
    "other": "another root boots",
}


def agree(machine: Machine, report: Report) -> None:
    """Assert that status, gate, next, doctor and the last words say of the next boot what the forecast does.

    They carry the same forecast; where it spares the root, the gate passes, nobody exits as for a loss, and
    all words are about what would be lost; else all losses count.
    """
    assert report.forecast is not None
    forecast = report.forecast
    said = json.loads(json.dumps(forecast_to_json(forecast)))
    takes = forecast.spared is None
    _, status = machine.document("status", "--all")
    assert status["next_boot"] == said
    afterwards = {(one["volume"], one["path"]): one["afterwards"] for one in status["entries"]}
    assert list(afterwards.values()) == [fate(entry, forecast).value for entry in report.entries]
    code, text = machine.say("status", "--exit-code")
    assert code == (3 if takes and loses(report) else 0)
    assert (" will be lost" in text.splitlines()[0]) == takes
    code, gate = machine.document("gate")
    assert (gate["next_boot"], gate["spared"] is None) == (said, takes)
    assert takes or (code, gate["gate"]) == (0, "pass")
    last = shutdown.compose(report)
    assert (last.spared is None) == takes
    assert last.count == sum(entry.verdict in LOSSES for entry in report.entries)
    assert ("does not take away" in shutdown.message(last)) != takes
    say_so_too(machine, forecast)


def say_so_too(machine: Machine, forecast: Forecast) -> None:
    """Assert that `next` and `doctor` say what the decision is."""
    decision = forecast.decision
    code, text = machine.say("next")
    if forecast.spared is Spared.NOT_SET_UP:
        assert code == 5 or "not set up" in text, text
    else:
        assert DOES[decision.action] in text or text.startswith("next: "), text
    _, doctor = machine.document("doctor")
    errors = [one["reason_code"] for one in doctor["findings"] if one["severity"] == "error"]
    if decision.code is not None:
        assert (decision.code in errors) == (decision.code not in TYPED), doctor


def as_it_was_said(machine: Machine, report: Report) -> None:
    """Assert, after the hook has run, that each path of each volume is as the forecast said, and that nothing
    was lost that nobody said would be.
    """
    assert report.forecast is not None
    forecast = report.forecast
    raw = {one.name: machine.below(one.subvolume.decode()) for one in report.volumes}
    seen = machine.seen()
    booted = machine.shut_down()
    assert booted.result.action == forecast.decision.action, booted.said
    afterwards = {one.name: machine.below(one.subvolume.decode()) for one in report.volumes}
    machine.come_up()
    seen_then = machine.seen()
    for volume in report.volumes:
        before, after = raw[volume.name], afterwards[volume.name]
        prefix = volume.path.decode().rstrip("/")
        blank = machine.below(volume.blank.decode()) if volume.blank is not None else {}
        old = old_root(machine, forecast, after)
        entries = {entry.difference.path.decode()[len(prefix) :]: entry for entry in report.entries
                   if entry.volume == volume.name}  # fmt: skip
        for path in before.keys() | after.keys():
            if path not in entries and forecast.decision.action != "booted":
                assert after.get(path) == before.get(path), f"{path}: nothing was said of it"
        for path, entry in entries.items():
            there = Place(path, prefix + path, before, after, blank, old, seen, seen_then)
            check(machine, entry, fate(entry, forecast), there)
    nothing_else_is_lost(machine, report, seen, seen_then)


class Place:
    """A path of a volume before and after, with what the blank and an old root have."""

    def __init__(self, path: str, whole: str, *trees: Tree) -> None:
        self.trees = trees
        self.path = path
        self.whole = whole
        self.before, self.after, self.blank, self.old = (found.get(path) for found in trees[:4])
        self.seen, self.seen_then = (found.get(whole) for found in trees[4:])


def old_root(machine: Machine, forecast: Forecast, after: Tree) -> Tree:
    """The old root that was booted, which is what the volume is now."""
    if forecast.decision.action != "booted":
        return {}
    (path,) = (machine.top / "old_roots").glob(f"{forecast.decision.boot}-*")
    return machine.below(f"old_roots/{path.name}")


def check(machine: Machine, entry: Entry, fate: Fate, there: Place) -> None:
    why = f"{there.whole}: {entry.verdict.value}, {fate.value}"
    if entry.difference.path == b"/" or there.path == "":
        return
    match fate:
        case Fate.STAYS:
            assert there.after == there.before, why
        case Fate.GONE:
            assert there.after is None, why
        case Fate.BLANK:
            assert there.after == there.blank, why
        case Fate.OLD_ROOT:
            assert there.after == there.old, why
        case Fate.PERSISTS if entry.difference.type is FileType.SYMLINK and not entry.hidden:
            end = led_to(there.whole, there.trees[4])
            assert end is not None, why
            assert there.trees[5].get(end) == there.trees[4].get(end), f"{why}, {end}"
        case Fate.PERSISTS if entry.verdict is Verdict.HIDDEN and entry.difference.change is Change.DELETED:
            pass  # beneath the mount nobody misses it
        case Fate.PERSISTS:
            assert there.seen is not None and there.seen_then == there.seen, why
        case Fate.UNKNOWN:
            raise AssertionError(why)


def led_to(path: str, seen: Tree) -> str | None:
    """The path that a link leads to, over other links or not, or None for a circle."""
    for _ in range(40):
        parts = path.split("/")
        above = ["/".join(parts[:end]) for end in range(2, len(parts) + 1)]
        link = next((one for one in above if seen.get(one, ("", b""))[0] == "link"), None)
        if link is None:
            return path
        target = os.path.join(os.path.dirname(link), os.fsdecode(seen[link][1]))
        path = "/" + os.path.normpath(target + path[len(link) :]).lstrip("/")
    return None


def nothing_else_is_lost(machine: Machine, report: Report, before: Tree, after: Tree) -> None:
    """Assert that whatever is no longer seen was said to go, and what was said to persist is seen."""
    said = {entry.difference.path.decode(): entry for entry in report.entries}
    subvolumes = [path for path, entry in said.items() if entry.difference.type is FileType.SUBVOLUME]
    for path, node in before.items():
        elsewhere = [*machine.aliases, *subvolumes]
        if after.get(path) == node or any(path.startswith(f"{one}/") for one in elsewhere):
            continue
        if node[0] == "link" and path in said and said[path].verdict is Verdict.PERSISTED:
            continue  # the name goes, and what it leads to stays
        entry = said.get(path)
        if entry is None and any(str(fault).startswith(f"{path}:") for fault in report.faults):
            continue
        mounted = next((one for one in said.values() if within(path, one) and one.verdict in LOSSES), None)
        assert entry is not None or mounted is not None, f"{path}: {node} is lost, and nobody said so"
        if entry is not None:
            assert entry.verdict not in (Verdict.PERSISTED, Verdict.HIDDEN), f"{path}: {entry.verdict}"


def within(path: str, entry: Entry) -> bool:
    """Whether a path is seen through a mount that goes, at the place of the entry."""
    return path.startswith(entry.difference.path.decode() + "/")
