"""The daemon in the sandbox that its unit makes, from the start of a boot to its end."""

from __future__ import annotations

from typing import Any

from full.guest import Guest
from full.story import wait_loaded

NO_BUS = "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere"
STATE = "/run/top/.impermanence"
LOGIND = "org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----"
GATE = "/etc/impermanence/config.d/gate.toml"

# The last report takes longer on an emulated machine than a shutdown waits for by default.
WAIT_LONGER = (
    "mkdir -p /etc/systemd/logind.conf.d && "
    "printf '[Login]\\nInhibitDelayMaxSec=60\\n' > /etc/systemd/logind.conf.d/longer.conf && "
    "systemctl restart systemd-logind.service"
)


def wait_for_gate(product: Guest, *, shut: bool) -> None:
    """Until logind refuses a reboot for us, or does not."""
    word = "" if shut else "!"
    listed = f'busctl call {LOGIND} ListInhibitors | grep -q \'"impermanenced" "[^"]*" "block"\''
    product.run(f"until {word} {listed}; do sleep 1; done", timeout=240)


def check_gate(product: Guest) -> None:
    """The real logind refuses a reboot while a secret would be lost, and says why."""
    product.run(f"mkdir -p /etc/impermanence/config.d && printf '[gate]\\ninhibit = true\\n' > {GATE}")
    product.run(f"echo '{KEY}' > /etc/key")
    wait_for_gate(product, shut=True)
    assert product.run("impermanence gate", check=False).status == 3
    refused = product.run("systemctl reboot --check-inhibitors=yes", check=False)
    assert refused.status != 0 and "impermanence gate" in refused.output, refused.output
    product.run("impermanence next keep")
    wait_for_gate(product, shut=False)
    product.run("impermanence next cancel")
    wait_for_gate(product, shut=True)
    product.run(f"rm {GATE}")
    wait_for_gate(product, shut=False)
    said = product.run("journalctl --boot --unit impermanenced.service --output cat").output
    assert "a reboot is refused: secret: " in said and "a reboot is not refused any more" in said, said


def check_large_report(product: Guest, figures: dict[str, object]) -> None:
    """A second process makes it, in the same sandbox, and the daemon stays small."""
    product.run("mkdir /opt/many && cd /opt/many && seq 4000 | xargs touch")
    count = "sum(one['path'].startswith('/opt/many/') for one in report['entries'])"
    program = f"import json, sys; report = json.load(sys.stdin); print({count}, report['watching_since'])"
    said = product.run(f'impermanence status --json | python3 -c "{program}"', timeout=240).output.split()
    assert said[0] == "4000" and said[1] != "None", said
    pid = "$(systemctl show --property MainPID --value impermanenced.service)"
    resident = int(product.run(f"grep VmRSS /proc/{pid}/status").output.split()[1])
    figures["resident memory after a large report"] = f"{resident * 1024 / 1e6:.1f} MB"
    assert resident * 1024 < 45e6
    product.run("rm -r /opt/many")


def verdicts(report: Any) -> dict[str, tuple[str, str]]:
    return {entry["path"]: (entry["verdict"], entry["rule"]) for entry in report["entries"]}


def test_watched_to_the_end(product: Guest, figures: dict[str, object]) -> None:
    product.boot()
    product.run("impermanence setup && systemctl restart impermanenced.service")
    wait_loaded(product)
    product.open_top()
    product.run(f"test -s {STATE}/ledger.sqlite")
    said = product.run("journalctl --boot --unit impermanenced.service --output cat").output
    assert "in memory" not in said and "Traceback" not in said, said
    product.reboot()
    product.open_top()

    wait_loaded(product)
    # Who wrote is known; a mount inside the volume is one, and what the sandbox mounts is none.
    product.run("systemd-run --wait --unit writer sh -c 'echo x > /etc/written; sleep 1'")
    product.run("mkdir -p /opt/mounted && mount -t tmpfs none /opt/mounted && touch /opt/mounted/file")
    report = product.json("impermanence status --json --all", timeout=120)
    assert report["watching_since"] is not None
    entries = {entry["path"]: entry for entry in report["entries"]}
    writer = entries["/etc/written"]["writer"]
    assert (writer["unit"], writer["kind"]) == ("writer.service", "system")
    assert "/opt/mounted/file" not in entries
    assert not [path for path in entries if path.startswith(("/lib/modules", "/usr/lib/modules"))]

    # The sandbox takes nothing from it: whoever looks without the daemon sees no more.
    alone = product.json(f"{NO_BUS} impermanence status --json --all", timeout=120)
    assert alone["watching_since"] is None
    assert verdicts(alone) == verdicts(report)
    assert "tmpfiles.d" in entries["/tmp/.X11-unix"]["rule"]

    security = product.run("systemd-analyze security --no-pager impermanenced.service | tail -n 1").output
    figures["systemd-analyze security"] = security.strip().lstrip("→ ")
    assert float(security.split(":")[1].split()[0]) <= 3.0
    main = "$(systemctl show --property=MainPID --value impermanenced.service)"
    nice = product.run(f"ps -L -o ni= -p {main}")
    assert set(nice.output.split()) <= {"0", "-"}, "it stayed behind the boot while it loaded, and came back"
    group = product.run(f"cat /proc/{main}/autogroup")
    assert group.output.split()[-1] == "0", "as did the group of its session"
    started, active = product.run(
        "systemctl show --property=ExecMainStartTimestampMonotonic --property=ActiveEnterTimestampMonotonic "
        "--value impermanenced.service"
    ).output.split()
    figures["the mark after the start, ms"] = round((int(active) - int(started)) / 1e3)

    check_gate(product)
    check_large_report(product, figures)

    # The shutdown waits for it, and it stays until it has said how the boot ended.
    product.run(WAIT_LONGER)
    product.run(f"until busctl call {LOGIND} ListInhibitors | grep impermanenced; do sleep 0.2; done")
    boot_id = product.boot_id()
    product.reboot()
    product.open_top()
    end = product.fields(f"{STATE}/boots/1.end")
    assert (end["BOOT_ID"], end["COMPLETE"]) == (boot_id, "yes")
    assert int(end["CRUD"]) >= 1
