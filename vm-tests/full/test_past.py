"""Six lives of one root, and the way back into them: their history and differences, a file that is put back,
and an old root that is booted once.

It is one test: every chapter stands on the disk that the one before has left.
"""

from __future__ import annotations

from typing import Any

from full.guest import TOP, Guest
from full.story import alerts, wait_good

PLAN = "/srv/work/plan"
STATE = "/var/lib/keeper/state.db"
# A service that is there until the shutdown, so however late the daemon looks, it finds who wrote.
KEEPER = f"mkdir /var/lib/keeper && printf %016384d 0 > {STATE} && exec sleep infinity"
# A plan that is alice's, with a time and an attribute that nobody's editor would give it.
WRITE = f"""
set -e
install -d -o alice /srv/work
printf '%s' '{{0}}' > {PLAN}
chown alice {PLAN} && chmod 640 {PLAN}
python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.life", sys.argv[2].encode())' {PLAN} '{{0}}'
touch --date=@1700000000.123456789 {PLAN}
"""
FACTS = (
    "stat --format '%a %U %s %y' {0} && python3 -c 'import os; print(os.getxattr(\"{0}\", \"user.life\"))'"
)
TREE = "find . -xdev | sort | md5sum"


def settle(guest: Guest, number: int) -> None:
    """Until this boot is on record as a good one, and the daemon watches."""
    guest.open_top()
    wait_good(guest, number)
    guest.run("systemctl is-active impermanenced.service")


def boots(guest: Guest) -> dict[int, dict[str, Any]]:
    """What `boots` says, by number."""
    return {boot["number"]: boot for boot in guest.json("impermanence boots --json --sizes")["boots"]}


def sightings(guest: Guest, path: str) -> list[tuple[Any, ...]]:
    """In which boots a path was there, how long it was, and whether it had changed since the boot before."""
    found = guest.json(f"impermanence history --json {path}")["sightings"]
    return [(one["moment"]["boot"], one["there"], one["size"], one["changed"]) for one in found]


def lines(guest: Guest, words: str) -> list[str]:
    """What `diff` lists, below its first line."""
    return guest.run(f"impermanence diff --no-pager {words}").output.splitlines()[2:]


def test_every_past_root_is_there(product: Guest, figures: dict[str, object]) -> None:
    # The life before the first wipe is boot 0.
    product.boot()
    product.run("impermanence setup")
    product.run(WRITE.format("zero"))

    # Boot 1: a service writes as well, and the daemon sees it.
    product.reboot()
    settle(product, 1)
    product.run(f"test ! -e {PLAN}")
    product.run(WRITE.format("one"))
    product.run(f"systemd-run --unit keeper sh -c '{KEEPER}'")
    alerts(product, "keeper.service", timeout=400)
    # Somebody looks: where the machine is too slow for a report at its shutdown, this is the last one.
    found = {entry["path"]: entry for entry in product.json("impermanence status --json")["entries"]}
    assert found[STATE]["loss"] == "database" and found[STATE]["writer"]["unit"] == "keeper.service", found

    # Boot 2: another plan, and what a program made beside it.
    product.reboot()
    settle(product, 2)
    product.run(WRITE.format("two two"))
    product.run("mkdir /srv/work/made && seq 1000 > /srv/work/made/numbers && ln -s made /srv/work/link")

    # Boot 3: nothing of it.
    product.reboot()
    settle(product, 3)
    product.run("touch /srv/of-three")

    # Boot 4: all of that is past, and can be told, compared and had back.
    product.reboot()
    settle(product, 4)
    asked = product.run(f"impermanence history {PLAN}")
    figures["impermanence history, seconds (emulated)"] = round(asked.seconds, 2)
    assert sightings(product, PLAN) == [
        (4, False, None, None),
        (3, False, None, None),
        (2, True, 7, True),
        (1, True, 3, True),
        (0, True, 4, None),
        (None, False, None, None),
    ]
    seen = product.json(f"impermanence history --json {STATE}")["sightings"]
    writers = {one["moment"]["boot"]: one["writer"] for one in seen}
    assert writers[1]["unit"] == "keeper.service", writers
    assert "keeper.service" in product.run(f"impermanence history {STATE}").output

    assert lines(product, "-b -3..-2 /srv") == [
        "+...... /srv/work/link",
        "+...... /srv/work/made",
        "+...... /srv/work/made/numbers",
        f"c...x.. {PLAN}",
    ]
    assert lines(product, "-b -3..-1 /srv") == [
        "+...... /srv/of-three",
        "-...... /srv/work",
        f"-...... {PLAN}",
    ]
    unified = product.run(f"impermanence diff --no-pager -b 1..2 -u {PLAN}").output
    assert "-one" in unified and "+two two" in unified, unified

    listed = boots(product)
    assert [listed[number]["ended"] for number in (1, 2, 3, 4)] == ["good", "good", "good", "running"]
    assert listed[1]["left"]["worst"] == "database" and listed[1]["left"]["paths"] > 0
    assert all(listed[number]["seconds"] > 0 and listed[number]["kernel"] for number in (1, 2, 3))
    assert all(listed[number]["old_roots"][0]["bytes"] > 0 for number in (1, 2, 3))

    # A file and a directory come back as they were.
    product.run(f"impermanence restore -b 2 {PLAN}")
    was = f"{TOP}/{listed[2]['old_roots'][0]['path']}"
    assert product.run(FACTS.format(PLAN)).output == product.run(FACTS.format(was + PLAN)).output
    refused = product.run(f"impermanence restore -b 1 {PLAN}", check=False)
    assert refused.status == 1 and "--keep" in refused.output, refused.output
    product.run(f"impermanence restore -b 1 --keep {PLAN}")
    assert product.run(f"cat {PLAN} {PLAN}.~1~").output == "onetwo two"
    product.run("impermanence restore -b -2 /srv/work/made /srv/work/link")
    assert product.run(f"diff -r --no-dereference {was}/srv/work/made /srv/work/made").output == ""

    # Boot 5: the root of boot 2 once more, and boot 6: back.
    kept = product.run(f"cd {was} && {TREE} && cat .{PLAN}").output
    product.run("impermanence next boot 2")
    product.reboot()
    settle(product, 5)
    assert product.fields("/run/impermanence/rollback.env")["ACTION"] == "booted"
    assert product.run(f"cat {PLAN} && test ! -e /srv/of-three && wc -l < {PLAN}").output == "two two0\n"
    product.run(f"echo five >> {PLAN}")
    product.reboot()
    settle(product, 6)
    assert product.fields("/run/impermanence/rollback.env")["ACTION"] == "wiped"
    product.run(f"test ! -e {PLAN}")
    assert product.run(f"cd {was} && {TREE} && cat .{PLAN}").output == kept
    listed = boots(product)
    assert [listed[number]["action"] for number in (4, 5, 6)] == ["wiped", "booted", "wiped"]
    assert listed[5]["booted"] == 2
    assert sightings(product, PLAN)[:3] == [(6, False, None, None), (5, True, 12, True), (4, True, 3, True)]
    assert lines(product, f"-b 2..5 {PLAN}") == [f"c.....m {PLAN}"]
