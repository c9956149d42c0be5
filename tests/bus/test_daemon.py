from __future__ import annotations

from .conftest import Bus, Daemon, Machine, Signals, fetch, wait_until


def test_a_write_becomes_a_signal_and_an_entry(bus: Bus, machine: Machine, daemon: Daemon) -> None:
    signals = Signals(bus.connect())
    (machine.mountpoint / "etc/new").write_text("x" * 1000)
    wait_until(lambda: b"/etc/new" in signals.paths(), "a signal")
    (path, verdict, _, size, count) = signals.got[0]
    assert (path, verdict, size, count) == (b"/etc/new", "crud", 1000, 1)
    report = fetch(bus, machine.config)
    entry = next(entry for entry in report["entries"] if entry["path"] == "/etc/new")
    assert entry["writer"]["comm"] == "python"
    assert entry["writer"]["uid"] == 0
    assert report["watching_since"] and report["overflows"] == 0
    assert "undeclared: /etc/new, written by" in daemon.output()
