"""`presets`: what one holds on this machine, which unit has it, and where it is kept."""

from __future__ import annotations

from ..keep_machine import bind, persist_volume
from .machine import System


def test_what_one_holds(system: System) -> None:
    system.configure('[persist."/persist"]\npreset = ["identity", "redis"]\n')
    persist = persist_volume(system)
    (persist / "var/lib/redis").mkdir(parents=True)
    (persist / "var/lib/redis/dump.rdb").write_bytes(b"x" * 100_000)
    bind(system, persist / "var/lib/redis", "var/lib/redis")
    unit = system.root / "usr/lib/systemd/system"
    unit.mkdir(parents=True)
    (unit / "redis-server.service").write_text("[Service]\nStateDirectory=redis\n")
    system.filesystem.sync()
    found = system.document("presets", "redis")
    places = {one["path"]: one for one in found["places"]}
    one = places["/var/lib/redis"]
    assert (one["there"], one["unit"]) == (True, "redis-server.service")
    assert one["source"] == "/persist/var/lib/redis"
    assert one["bytes"] >= 100_000 and one["files"] == 2
    said = system.run("presets", "redis").stdout
    assert "close it:   systemctl stop redis-server.service" in said
    assert "delete it:  leave it out (without), then  impermanence tidy /persist/var/lib/redis" in said
    assert system.run("presets", "bluetooth").stdout.startswith("bluetooth holds nothing here.")
    assert "there is no preset rediz" in system.refused(2, "presets", "rediz")


def test_the_list(system: System) -> None:
    names = [one["name"] for one in system.document("presets")["presets"]]
    assert {"identity", "network", "postgresql"} <= set(names)
    said = system.run("presets").stdout
    assert all(word in said for word in ("identity", "the identity of this machine", "postgresql"))


def test_it_declares_as_if_one_by_one(system: System) -> None:
    system.configure('[persist."/persist"]\npreset = ["identity"]\nwithout = ["openssh"]\n')
    found = [one["path"] for one in system.document("status", "--persist")["declarations"]]
    assert found == ["/var/lib/nixos", "/etc/machine-id", "/var/lib/systemd/random-seed"]
