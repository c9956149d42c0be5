"""One user's story, through the real initrd: set up, lose what was not declared, find it again.

It is one test: every chapter stands on the disk that the one before has left.
"""

from __future__ import annotations

from typing import Any

from full.guest import TOP, Guest
from full.story import alerts, wait_good, wait_loaded

FIRST_LIFE = "old_roots/0-00000000-0000-0000-0000-000000000000"
BRIEF = "[archive]\\nkeep-min = 1\\nkeep-days = 0\\n"
LOST = "/var/lib/scribbler/state.db"


def entries(guest: Guest, *, user: str | None = None) -> dict[str, dict[str, Any]]:
    """What status reports, by path."""
    report = guest.json("impermanence status --json --all", user=user, timeout=120)
    assert report["version"] == 1
    return {entry["path"]: entry for entry in report["entries"]}


def measure(guest: Guest, figures: dict[str, object]) -> None:
    """What the daemon costs."""
    wait_loaded(guest)
    names = "MainPID,MemoryCurrent,ExecMainStartTimestampMonotonic,ActiveEnterTimestampMonotonic"
    shown = guest.run(f"systemctl show impermanenced.service --property {names}").output
    values = dict(line.split("=", 1) for line in shown.splitlines())
    ready = int(values["ActiveEnterTimestampMonotonic"]) - int(values["ExecMainStartTimestampMonotonic"])
    resident = guest.run(f"sed -n 's/^VmRSS:[^0-9]*//p' /proc/{values['MainPID']}/status").output
    megabytes = int(resident.split()[0]) / 1024
    figures["daemon, from exec to ready, seconds (emulated)"] = round(ready / 1e6, 2)
    figures["daemon, resident, MiB"] = round(megabytes, 1)
    figures["daemon, memory of its control group, MiB"] = round(int(values["MemoryCurrent"]) / 2**20, 1)
    security = guest.run("systemd-analyze security --no-pager impermanenced.service | tail -n 1").output
    figures["systemd-analyze security"] = security.strip().lstrip("→ ")
    assert megabytes < 45


def test_the_story(product: Guest, figures: dict[str, object]) -> None:
    # Installed, not set up: the hook is in the initrd and changes nothing.
    product.boot()
    before = product.root_uuid()
    product.open_top()
    product.run(f'test ! -e {TOP}/.impermanence/rollback.env && test -z "$(ls {TOP}/old_roots)"')
    product.run("echo first > /var/lib/first-life")

    # Setting up is repeatable, and wipes nothing by itself.
    product.run("impermanence setup")
    record = product.run(f"cat {TOP}/.impermanence/rollback.env").output
    again = product.run("impermanence setup")
    assert product.run(f"cat {TOP}/.impermanence/rollback.env").output == record, again.output
    blank = product.run(f"btrfs subvolume show {TOP}/root-blank | grep -m1 UUID: | tr -d '[:space:]'").output
    assert blank.removeprefix("UUID:") in record
    assert product.run(f"stat -c %a {TOP}/.impermanence").output == "700\n"
    product.run("test -f /var/lib/first-life")

    # The first wipe: the root is a copy of the blank, the life before is kept whole.
    product.reboot()
    product.open_top()
    result = product.fields("/run/impermanence/rollback.env")
    assert result["ACTION"] == "wiped", result
    assert product.root_uuid() != before
    product.run(f"test ! -e /var/lib/first-life && test -f {TOP}/{FIRST_LIFE}/var/lib/first-life")
    first = product.fields(f"{TOP}/.impermanence/boots/1.env")
    boot_id = product.boot_id()
    assert first["BOOT_ID"] == boot_id
    assert first["OLD"] == FIRST_LIFE
    said = product.run("journalctl --boot --identifier impermanence --output cat").output
    assert "boot 1: wiped" in said, said
    wait_good(product, 1)
    assert product.json("impermanence boots --json")["boots"][0]["number"] == 1
    assert product.run("systemctl --failed --no-legend").output == ""

    # Something writes what nobody declared: the journal says so and who, and status lists it.
    measure(product, figures)
    product.run("systemctl start scribbler.service")
    alert = alerts(product, "scribbler.service")[0]
    assert alert["IMPERMANENCE_PATH"].startswith("/var/lib/scribbler")
    assert alert["IMPERMANENCE_VERDICT"] == "crud"
    assert alert["IMPERMANENCE_WRITER_UNIT"] == "scribbler.service"
    entry = entries(product)[LOST]
    assert entry["verdict"] == "crud"
    assert entry["writer"]["unit"] == "scribbler.service"
    assert "/var/lib/kept/precious" not in entries(product)
    asked = product.run("impermanence status --json > /dev/null")
    figures["impermanence status, seconds (emulated)"] = round(asked.seconds, 2)
    # A user gets an answer from the daemon, and only about what is the user's own.
    product.run("touch /home/alice/mine", user="alice")
    assert LOST not in entries(product, user="alice")

    # What a container program would leave.
    product.run("btrfs subvolume create /srv/pod && btrfs subvolume create /srv/pod/image")
    product.run("touch /srv/pod/image/file && btrfs subvolume snapshot -r /srv/pod/image /srv/pod/layer")

    # The next boot takes it away, keeps it, and keeps what was declared.
    product.reboot()
    product.open_top()
    product.run("test ! -e /var/lib/scribbler && test -s /var/lib/kept/precious")
    product.run(f"test -s {TOP}/old_roots/1-{boot_id}{LOST}")
    assert product.fields(f"{TOP}/.impermanence/boots/2.env")["OLD"] == f"old_roots/1-{boot_id}"
    assert LOST not in entries(product)
    wait_good(product, 2)

    second_id = product.boot_id()

    # impermanence=off: not even a mount, everything as it was.
    product.run("touch /var/lib/stays")
    second = product.root_uuid()
    product.reboot("impermanence=off")
    product.open_top()
    assert product.fields("/run/impermanence/rollback.env")["ACTION"] == "off"
    assert product.root_uuid() == second
    product.run(f"test -f /var/lib/stays && test ! -e {TOP}/.impermanence/boots/3.env")

    # A configuration that nobody can read, in the blank itself, and then a power cut: the machine
    # wipes, boots, and says it.
    product.run(
        f"btrfs property set -ts {TOP}/root-blank ro false"
        f" && echo 'broken = [' > {TOP}/root-blank/etc/impermanence/config.toml"
        f" && btrfs property set -ts {TOP}/root-blank ro true && sync"
    )
    product.cut_power()
    product.boot()
    assert product.fields("/run/impermanence/rollback.env")["ACTION"] == "wiped"
    product.run("grep -q broken /etc/impermanence/config.toml && test ! -e /var/lib/stays")
    assert product.run("systemctl is-active multi-user.target").output == "active\n"
    journal = "journalctl --boot --unit impermanenced.service --output cat"
    # The unit was ready before anybody read that.
    product.run(f"timeout 120 sh -c 'until {journal} | grep -q config.toml; do sleep 0.2; done'", timeout=130)
    said = product.run(journal).output
    assert "/etc/impermanence/config.toml" in said, said
    assert "Traceback" not in said, said
    answer = product.run("impermanence status", check=False)
    assert answer.status == 1, answer.output
    assert "/etc/impermanence/config.toml" in answer.output

    # It is mended, and old roots that are over go once somebody has looked at them, with all that is
    # nested in them; what is pinned stays.
    product.run(f"printf '{BRIEF}' > /etc/impermanence/config.toml")
    product.run("systemctl reset-failed impermanenced && systemctl restart impermanenced")
    product.open_top()
    wait_good(product, 3)
    product.run("impermanence pin 0")
    waits = product.run("impermanence prune --dry-run").output
    assert f"old_roots/1-{boot_id}" in waits and "not reviewed: it lost database" in waits, waits
    product.run("impermanence reviewed 1")
    product.run("systemctl start impermanence-prune.service", timeout=200)
    said = product.run("journalctl --boot --unit impermanence-prune.service --output cat").output
    assert f"deleted old_roots/1-{boot_id}\n" in said, said
    assert "1 old root deleted." in said, said
    left = product.run(f"cd {TOP} && ls -d old_roots/*").output.split()
    assert left == [FIRST_LIFE, f"old_roots/2-{second_id}"]
    product.run(f"cd {TOP} && test -f {left[0]}/var/lib/first-life && test -f {left[1]}/var/lib/stays")
    assert "/srv/pod" not in product.run(f"btrfs subvolume list {TOP}").output
