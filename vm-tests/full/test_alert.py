"""Who logs in is told when nothing is wiped, and how boots ended is known: a real journal, real logins."""

from __future__ import annotations

from full.guest import Guest

TOP = "/run/top"
NOT_ROLLED_BACK = "e5fda0e202fa41b4a6927331a402bfc2"  # MESSAGE_ID
FRAGMENT = "/run/motd.d/impermanence"
REFUSAL = "the blank root-blank of volume root: it is not read-only"


def blank_is_read_only(guest: Guest, yes: str) -> None:
    device = "$(findmnt --noheadings --nofsroot --output SOURCE /)"
    guest.run(f"mkdir -p {TOP} && {{ mountpoint -q {TOP} || mount -o subvolid=5 {device} {TOP}; }}")
    guest.run(f"btrfs property set -ts {TOP}/root-blank ro {yes} && sync")


def a_login(guest: Guest) -> str:
    """What root sees on a terminal."""
    return guest.run("echo exit | script --quiet --return --command 'login -f root' /dev/null").output


def test_who_logs_in_is_told(product: Guest) -> None:
    product.boot()
    product.run("impermanence setup")
    product.reboot()
    assert product.json("impermanence boots --json")["boots"][0]["action"] == "wiped"
    assert product.run("systemctl is-active impermanence-alert.service").output == "active\n"
    product.run(f"test ! -e {FRAGMENT}")
    assert "impermanence:" not in a_login(product)
    product.run("mkdir -p /var/log/journal && journalctl --flush")

    # Somebody worked on the blank, and left it writable.
    blank_is_read_only(product, "false")
    product.reboot()
    assert product.run("systemctl is-active impermanence-alert.service").output == "active\n"
    line = product.run(f"cat {FRAGMENT}").output
    assert line.startswith("impermanence: not rolled back since ") and REFUSAL in line
    assert line.strip() in a_login(product)
    said = product.run(f"journalctl --boot --output cat MESSAGE_ID={NOT_ROLLED_BACK}").output
    assert REFUSAL in said, said
    explained = product.run(f"journalctl --boot --catalog MESSAGE_ID={NOT_ROLLED_BACK}").output
    assert "was not rolled back" in explained, explained
    assert REFUSAL in product.run("impermanence status").output
    product.run("journalctl --sync && sync")
    product.cut_power()

    product.boot()
    assert "for 2 boots in a row since " in product.run(f"cat {FRAGMENT}").output
    boots = {boot["number"]: boot for boot in product.json("impermanence boots --json")["boots"]}
    ended = {number: (boots[number]["ended"], boots[number]["shutdown"]) for number in (1, 2, 3)}
    assert (ended[1][1], ended[2][1], ended[3]) == ("clean", "cut", ("running", None))
    text = product.run("impermanence boots --no-pager").output
    assert " clean " in text and " cut " in text, text

    # It is as it was: the next boot wipes, and nobody is told anything.
    blank_is_read_only(product, "true")
    product.reboot()
    assert product.json("impermanence boots --json")["boots"][0]["action"] == "wiped"
    product.run(f"test ! -e {FRAGMENT}")
