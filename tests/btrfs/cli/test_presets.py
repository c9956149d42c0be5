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


def test_what_one_holds_in_homes(system: System) -> None:
    system.configure('[persist."/persist".users.alice]\npreset = ["openssh"]\n')
    etc = system.root / "etc"
    etc.mkdir(exist_ok=True)
    (etc / "passwd").write_text(
        "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\nbob:x:1001:1001::/srv/bob:/bin/sh\n"
        "sshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n"
    )
    persist_volume(system)
    for home in ("home/alice", "srv/bob"):
        (system.root / home / ".ssh").mkdir(parents=True)
        (system.root / home / ".ssh/id_ed25519").write_text("key")
    system.filesystem.sync()
    places = {one["path"]: one for one in system.document("presets", "openssh")["places"] if one["user"]}
    assert set(places) == {"/home/alice/.ssh", "/srv/bob/.ssh"}
    assert all(one["there"] for one in places.values())
    assert places["/home/alice/.ssh"]["source"] == "/persist/home/alice/.ssh"
    assert places["/srv/bob/.ssh"]["source"] is None
    said = system.run("presets", "openssh").stdout
    assert "tidy /persist/home/alice/.ssh" in said


def test_the_list(system: System) -> None:
    names = [one["name"] for one in system.document("presets")["presets"]]
    assert {"identity", "network", "postgresql"} <= set(names)
    said = system.run("presets").stdout
    assert all(word in said for word in ("identity", "the identity of this machine", "postgresql"))
    services, _, homes = said.partition("in homes: ")
    assert "postgresql" in services and "firefox" in homes and "firefox" not in services


def test_it_declares_as_if_one_by_one(system: System) -> None:
    system.configure('[persist."/persist"]\npreset = ["identity"]\nwithout = ["openssh"]\n')
    found = [one["path"] for one in system.document("status", "--persist")["declarations"]]
    assert found == ["/var/lib/nixos", "/etc/machine-id", "/var/lib/systemd/random-seed"]
