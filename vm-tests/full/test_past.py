"""Six boots of a real machine, and what can be read, put back and booted of them afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from full.guest import TOP, Guest

LIFE = "/var/lib/life"
KEY = "'-----BEGIN OPENSSH PRIVATE KEY-----'"
SECRET = "/etc/ssh/ssh_host_ed25519_key"


def sightings(guest: Guest, path: str) -> dict[int | None, dict[str, Any]]:
    """What each moment has at a path; the blank is None."""
    found = guest.json(f"impermanence history --json {path}")["sightings"]
    return {one["moment"]["boot"]: one for one in found}


def changes(guest: Guest, span: str) -> set[tuple[str, str]]:
    document = guest.json(f"impermanence diff -b {span} --json", timeout=300)
    return {(one["letters"][0], one["path"]) for one in document["volumes"][0]["differences"]}


@pytest.mark.timeout(2400)
def test_six_boots(product: Guest) -> None:
    product.boot()
    product.run("impermanence setup")

    # Write, wipe, write something else, wipe.
    for number in range(1, 7):
        product.reboot()
        assert product.fields("/run/impermanence/rollback.env")["ACTION"] == "wiped"
        product.run(f"test ! -e {LIFE}")
        if number != 3:
            product.run(f"mkdir {LIFE} && echo {number // 2} > {LIFE}/half && touch {LIFE}/in-{number}")
        if number == 2:
            product.run("systemctl start scribbler.service")
            product.run("timeout 60 sh -c 'until test -s /var/lib/scribbler/state.db; do sleep 0.2; done'")
            product.run("sleep 12")  # what the daemon has seen is in its file by then
        if number == 5:
            product.run("btrfs subvolume create /srv/pod && echo x > /srv/pod/file")
            product.run(f"mkdir -p /etc/ssh && umask 077 && echo {KEY} > {SECRET}")
    product.open_top()

    # In which boots it was there, and whether it changed.
    found = sightings(product, f"{LIFE}/half")
    there = {number: (one["there"], one["changed"]) for number, one in found.items()}
    assert there == {
        6: (True, True),
        5: (True, False),
        4: (True, True),
        3: (False, None),
        2: (True, True),
        1: (True, None),
        0: (False, None),
        None: (False, None),
    }
    writer = sightings(product, "/var/lib/scribbler/state.db")[2]["writer"]
    assert writer["unit"] == "scribbler.service", writer

    # What two of them differ in.
    between = changes(product, "-3..-1")
    assert {("+", f"{LIFE}/in-5"), ("+", f"{LIFE}/half"), ("+", "/srv/pod/file")} <= between
    assert ("c", f"{LIFE}/half") not in changes(product, "4..5")  # both wrote the same
    assert {("-", f"{LIFE}/in-4"), ("+", f"{LIFE}/in-5")} <= changes(product, "4..5")
    said = product.run("impermanence --no-pager diff -b -2..-1 --stat").output
    assert said.startswith("from boot 4 to boot 5: "), said

    # Looked into: systemd mounts it, every user sees what the permissions say.
    where = product.run("impermanence browse 5").output.strip()
    assert where == "/run/impermanence/boots/5"
    assert product.run(f"cat {where}{LIFE}/half", user="alice").output == "2\n"
    assert product.run(f"cat {where}{SECRET}", user="alice", check=False).status != 0
    assert "Read-only file system" in product.run(f"touch {where}/x", check=False).output
    unit = "run-impermanence-boots-5.automount"
    assert product.run(f"systemctl show -P TimeoutIdleUSec {unit}").output == "10min\n"
    product.run(f"systemctl stop {unit} && ! mountpoint -q {where}")

    # Put back, with what was nested.
    refused = product.run(f"impermanence restore -b 5 {LIFE}", check=False)
    assert refused.status == 1 and "is there already" in refused.output
    product.run(f"impermanence restore -b 5 --keep {LIFE} && test -e {LIFE}/in-5 -a -e {LIFE}.~1~/in-6")
    product.run("impermanence restore -b -1 /srv/pod && grep x /srv/pod/file")
    product.run("btrfs subvolume show /srv/pod")

    # An old root is booted once, and then the blank again.
    product.run("impermanence next boot 2")
    product.reboot()
    assert product.fields("/run/impermanence/rollback.env")["ACTION"] == "booted"
    product.run(f"test -e {LIFE}/in-2 && test -s /var/lib/scribbler/state.db")
    assert changes(product, "2..now").isdisjoint({("-", f"{LIFE}/in-2"), ("c", f"{LIFE}/half")})
    product.reboot()
    assert product.fields("/run/impermanence/rollback.env")["ACTION"] == "wiped"
    product.run(f"test ! -e {LIFE}")

    # What nobody has looked at does not go by its age, and is free to go when somebody has.
    product.open_top()
    settings = "[archive]\\nkeep-min = 0\\nkeep-days = 0\\n"
    product.run(f"printf '{settings}' > /etc/impermanence/config.d/archive.toml")
    good = f"{TOP}/.impermanence/boots/8.good"
    product.run(f"timeout 120 sh -c 'until test -e {good}; do sleep 0.2; done'", timeout=130)
    product.run("systemctl start impermanence-prune.service", timeout=300)
    left = product.run(f"ls {TOP}/old_roots").output
    assert "\n5-" in f"\n{left}", left
    boots = {one["number"]: one for one in product.json("impermanence boots --json")["boots"]}
    assert boots[5]["left"]["worst"] == "secret"
    assert "impermanence reviewed 5" in product.run("impermanence --no-pager boots").output
    product.run("impermanence reviewed --all && systemctl start impermanence-prune.service", timeout=300)
    assert "\n5-" not in "\n" + product.run(f"ls {TOP}/old_roots").output
