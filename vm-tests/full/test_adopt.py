"""What runs is kept: servers with data, by the commands that status names, while clients write all the time.

It is one test: every chapter stands on the disk that the one before has left.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import kernel as kernels
import pytest

from full import guest
from full.guest import TOP, Guest

WORK = Path(__file__).parent / "work"
CONFIG = """
[persist."/persist"]
preset = ["identity"]
files = [{file = "/etc/settings", method = "sync"}]
"""
UNITS = {
    "notebook.socket": "[Socket]\nListenStream=/run/notebook.socket\n[Install]\nWantedBy=sockets.target\n",
    "notebook.service": "[Service]\nStateDirectory=notebook\nExecStart=/usr/local/bin/notebook.py\n",
    "shop.service": (
        "[Unit]\nRequires=redis-server.service\nAfter=redis-server.service\n"
        "[Service]\nExecStart=/usr/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
    ),
}
# A machine with an identity of its own, and a blank that has none: each boot would make another.
PREPARE = f"""
set -e
sed -i '/ none bind/d' /etc/fstab
rm /etc/ssh/ssh_host_*
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key && systemctl restart ssh
install -d -m 700 -o alice -g alice ~alice/.ssh && cd ~alice/.ssh
ssh-keygen -q -t ed25519 -N '' -f id_ed25519 && cp id_ed25519.pub authorized_keys
echo "localhost $(cat /etc/ssh/ssh_host_ed25519_key.pub)" > known_hosts && chown alice: * && cd /
systemctl daemon-reload && systemctl --quiet enable notebook.socket shop.service
echo one > /etc/settings
# Logs are not kept, and redis does not start without the directory that its package has made for them.
echo 'd /var/log/redis 2750 redis adm' > /etc/tmpfiles.d/redis.conf && systemd-tmpfiles --create redis.conf
systemctl stop redis-server postgresql@15-main && mkdir -p {TOP}
mount -o subvolid=5 $(findmnt -no SOURCE --nofsroot /) {TOP}
btrfs property set {TOP}/root-blank ro false && btrfs subvolume delete {TOP}/root-blank
btrfs subvolume snapshot / {TOP}/root-blank && cd {TOP}/root-blank
rm -f etc/ssh/ssh_host_* etc/settings var/lib/systemd/random-seed && : > etc/machine-id
btrfs property set {TOP}/root-blank ro true && cd /
umount {TOP}
systemctl start redis-server postgresql@15-main notebook.socket shop.service
"""
LONG = 900  # seconds that a command may take on an emulated processor that others use as well
LOGIN = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes alice@localhost id -un"
SEED = "/var/lib/systemd/random-seed"
# Who is written to, and how one reads what each has.
CLIENTS = {
    "redis": "redis-cli smembers written",
    "postgresql": "runuser -u postgres -- psql -qAt -c 'select number from written' shop",
    "notebook": "cat /var/lib/notebook/notes",
}
# The ids in the entries since the journal of the root has begun; the initrd's has one of its own.
IDS = """
journalctl -b -o export | awk -F= '
    /^MESSAGE_ID=f77379a8490b408bbe5f6940505a777b$/ { split("", ids) }
    /^_MACHINE_ID=/ { ids[$2] = 1 }
    END { for (id in ids) print id }'
"""
KEPT = {
    "/var/lib/postgresql": "postgresql@15-main.service",
    "/var/lib/redis": "redis-server.service",
}


@pytest.fixture
def servers(workspace: Path, kernel: kernels.Kernel, deb: Path) -> Iterator[Guest]:
    found = Guest(workspace, kernel, guest.image(kernel, deb, layout="servers"))
    with found.machine:
        yield found


@pytest.mark.timeout(3600)
def test_what_runs_is_kept(servers: Guest, figures: dict[str, object]) -> None:
    servers.boot()
    machine_id = declare(servers)
    servers.reboot()
    assert_is_same_machine(servers, machine_id)
    copies_back(servers)

    begin(servers)
    refuses(servers)
    kept = {keep_what_status_names(servers, figures) for _ in KEPT}
    assert kept == KEPT.keys()
    keep_what_a_socket_starts(servers)
    boot = keep_the_journal(servers)
    servers.run("systemctl stop impermanence-sync.path && echo three > /etc/new && mv /etc/new /etc/settings")
    # The clients write until the shutdown.
    servers.reboot()

    assert_is_same_machine(servers, machine_id)
    assert servers.run("cat /etc/settings").output == "three\n"
    assert "before the journal moved" in servers.run(f"journalctl -b {boot} -o cat -t story").output
    assert "after the journal moved" in servers.run(f"journalctl -b {boot} -o cat -t story").output
    for name in CLIENTS:
        acknowledged, found = numbers(servers, f"cat /persist/{name}.notes"), has(servers, name)
        figures[f"acknowledged by {name}"] = len(acknowledged)
        assert acknowledged, name
        assert acknowledged <= found, f"{name} has lost {sorted(acknowledged - found)}"
    assert servers.run("redis-cli get greeting").output == "hello\n"


# Identity


def declare(on: Guest) -> str:
    """Set the machine up, and return its id."""
    places = {f"/etc/systemd/system/{name}": content for name, content in UNITS.items()}
    places |= {f"/usr/local/bin/{name}": (WORK / name).read_text() for name in ("client.py", "notebook.py")}
    for place, content in {**places, "/etc/impermanence/config.toml": CONFIG}.items():
        on.run(f"cat > {place} <<'END'\n{content}END\n")
    on.run("chmod +x /usr/local/bin/*.py")
    on.run(PREPARE, timeout=LONG)
    assert on.run(LOGIN, user="alice").output == "alice\n"
    on.run("impermanence setup && impermanence apply", timeout=LONG)
    return on.run("cat /etc/machine-id").output


def assert_is_same_machine(on: Guest, machine_id: str) -> None:
    """It was wiped, and it is who it was."""
    on.open_top()
    assert on.fields("/run/impermanence/rollback.env")["ACTION"] == "wiped"
    assert on.run("systemctl --failed --no-legend --plain").output == ""
    states = on.run("impermanence status --persist").output
    assert re.match(r"(\d+) declarations: \1 active\.\n", states), states
    # What sshd shows is what alice has seen before.
    assert on.run(LOGIN, user="alice").output == "alice\n"
    assert on.run("cat /etc/machine-id").output == machine_id
    assert on.run(IDS).output == machine_id, "the journal had it from the beginning, and no other"
    state = on.run("systemctl is-active first-boot-complete.target", check=False).output
    assert state == "inactive\n", "only the first boot is a first boot"
    # The seed is read and written through the mount, and nothing was written beneath it.
    after = on.run("systemctl show --property=After --value systemd-random-seed.service").output
    mount = on.run(f"systemd-escape --path --suffix=mount {SEED}").output.strip()
    # Names are quoted as in C there.
    assert mount in [unit.strip('"').replace("\\\\", "\\") for unit in after.split()], after
    assert on.run("systemctl is-active systemd-random-seed.service").output == "active\n"
    on.run(f"test /persist{SEED} -nt /run/impermanence/rollback.env && test -s {SEED}")
    on.run(f"test /persist{SEED} -ef {SEED}")
    beneath = f"find {TOP}/root{SEED} $(ls -d {TOP}/old_roots/[1-9]*{SEED} 2>/dev/null) -size +0"
    assert on.run(beneath).output == ""


def wait(on: Guest, condition: str) -> None:
    """Wait until a condition of the shell holds."""
    on.run(f"until {condition}; do sleep 0.2; done", timeout=LONG)


def copies_back(on: Guest) -> None:
    """A file is replaced, as wpa_supplicant does it, and the unit copies it."""
    on.run("echo two > /etc/new && mv /etc/new /etc/settings")
    wait(on, "grep -q two /persist/etc/settings")
    wait(on, "! systemctl is-active --quiet impermanence-sync.service")
    shown = on.run("systemctl show --property=Result --value impermanence-sync.service").output
    assert shown == "success\n"


# Servers with data


def begin(on: Guest) -> None:
    """Have data in both servers, and somebody who writes to each all the time."""
    on.run(
        "runuser -u postgres -- createdb shop && runuser -u postgres -- psql -q shop -c"
        " 'create table written (number int primary key)' && redis-cli set greeting hello && redis-cli save",
        timeout=LONG,
    )
    for name in CLIENTS:
        on.run(
            f"install -m 0600 /dev/null /persist/{name}.notes && systemd-run --quiet --unit=client-{name}"
            f" /usr/local/bin/client.py {name} /persist/{name}.notes"
        )
        goes_on(on, name)


def numbers(on: Guest, command: str) -> set[int]:
    return set(map(int, on.run(command).output.split()))


def goes_on(on: Guest, name: str) -> None:
    """Wait until more is acknowledged than by now."""
    more = len(numbers(on, f"cat /persist/{name}.notes")) + 3
    wait(on, f"test $(wc -l < /persist/{name}.notes) -ge {more}")


def has(on: Guest, name: str) -> set[int]:
    """Return what a server has, as soon as it answers."""
    wait(on, f"{CLIENTS[name]} > /run/has")
    return numbers(on, "cat /run/has")


def invocation(on: Guest, unit: str) -> str:
    """Return the id of a unit's present run."""
    return on.run(f"systemctl show --property=InvocationID --value {unit}").output


def refuses(on: Guest) -> None:
    before = invocation(on, "redis-server.service")
    refused = on.run("impermanence persist /var/lib/redis", check=False)
    assert refused.status == 1
    assert "redis-server.service" in refused.output and "nothing was changed" in refused.output
    assert "hint: impermanence persist --stop redis-server.service /var/lib/redis" in refused.output
    assert on.json("impermanence undo --list --json")["jobs"] == []
    assert invocation(on, "redis-server.service") == before
    assert on.run("findmnt /var/lib/redis", check=False).output == ""


def keep_what_status_names(on: Guest, figures: dict[str, object]) -> str:
    """Do what the last line of status says, and return what is kept by that."""
    said = on.run("impermanence status", timeout=LONG).output
    found = re.search(r"Keep the first: +(impermanence persist .*?)(?:  |$)", said, re.MULTILINE)
    assert found is not None, said
    command = found[1]
    path = command.rpartition(" ")[2]
    unit = KEPT[path]
    assert re.search(rf"!! +database +{path}/", said), said
    assert command == f"impermanence persist --stop {unit} {path}"
    before = invocation(on, unit)
    took = on.run(command, timeout=LONG)
    figures[f"{command}, seconds (emulated)"] = round(took.seconds, 1)
    assert f"{path} is kept, in /persist{path}" in took.output, took.output
    assert "is lost" not in took.output and "look at it" not in took.output, took.output
    assert invocation(on, unit) != before, "stopped and started again"
    assert on.run("systemctl is-active shop.service").output == "active\n", "what stopped with it as well"
    assert on.run(f"findmnt -no FSROOT {path}").output == f"/persist{path}\n"
    for name in CLIENTS:
        goes_on(on, name)
    return path


def keep_what_a_socket_starts(on: Guest) -> None:
    """Its client would start it again in the middle of the copy."""
    took = on.run("impermanence persist --stop notebook.service /var/lib/notebook", timeout=LONG)
    assert "is lost" not in took.output and "look at it" not in took.output, took.output
    goes_on(on, "notebook")


def keep_the_journal(on: Guest) -> str:
    """It never stops: what is logged meanwhile is in /run.  Return the id of the boot."""
    # The image has had another one there, which nothing mounts any more.
    on.run("rm -r /persist/var/log")
    on.run("logger -t story before the journal moved && journalctl --sync")
    refused = on.run("impermanence persist /var/log/journal", check=False)
    command = "impermanence persist --stop systemd-journald.service /var/log/journal"
    assert f"hint: {command}" in refused.output, refused.output
    before = invocation(on, "systemd-journald.service")
    took = on.run(command, timeout=LONG)
    assert "is lost" not in took.output and "look at it" not in took.output, took.output
    assert invocation(on, "systemd-journald.service") == before
    on.run("logger -t story after the journal moved && journalctl --sync")
    on.run("test -e /persist/var/log/journal/$(cat /etc/machine-id)/system.journal")
    return on.boot_id().replace("-", "")
