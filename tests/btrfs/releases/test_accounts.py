"""Accounts that were made or changed in the running system, brought into the blank by their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.btrfs.boots.machine import Machine
from tests.schema import checked

PASSWD = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\nold:x:900:900::/:/bin/false\n"
SHADOW = "root:*:1::::::\nalice:$y$first:1::::::\nold:!:1::::::\n"


def prepared(machine: Machine) -> tuple[Path, Path]:
    """A machine whose blank has accounts, after a boot; its /etc, and that of the blank."""
    etc = machine.root / "etc"
    etc.mkdir(exist_ok=True)
    (etc / "passwd").write_text(PASSWD)
    (etc / "shadow").write_text(SHADOW)
    (etc / "shadow").chmod(0o640)
    machine.say("blank", "create", "/etc/passwd", "/etc/shadow")
    assert machine.boot().result.action == "wiped"
    return etc, machine.filesystem.top / "root-blank/etc"


def accounts(machine: Machine, *words: str) -> Any:
    return checked("blank_accounts", machine.say("blank", "accounts", "--json", *words))


def replace(path: Path, content: str) -> None:
    """As passwd(1) does: a new file takes the name."""
    new = path.with_name(path.name + "+")
    new.write_text(content)
    new.chmod(path.stat().st_mode)
    new.rename(path)


def test_a_password_that_was_changed_here(machine: Machine) -> None:
    etc, blank = prepared(machine)
    assert "nothing to do" in machine.say("blank", "accounts")
    replace(etc / "shadow", SHADOW.replace("first", "second"))
    assert "/etc/shadow: alice" in machine.say("blank", "accounts", "--dry-run")
    assert "first" in (blank / "shadow").read_text()
    done = accounts(machine)
    assert done["accounts"] == [{"path": "/etc/shadow", "names": ["alice"]}]
    assert done["change"]["release"]["made_by"] == "keep"
    assert (blank / "shadow").stat().st_mode & 0o777 == 0o640
    # It is there already when the next shutdown asks.
    assert accounts(machine) == {"version": 1, "accounts": [], "change": None}
    assert machine.boot().result.action == "wiped"
    assert (etc / "shadow").read_text() == SHADOW.replace("first", "second")


def test_an_update_has_accounts_of_its_own(machine: Machine) -> None:
    etc, blank = prepared(machine)
    (etc / "passwd").write_text(PASSWD + "sonarr:x:901:901::/:/bin/false\n")
    machine.say("blank", "create", "/etc/passwd")  # as an update would bring it
    (etc / "passwd").write_text(
        PASSWD.replace("/bin/sh\nold:x:900:900::/:/bin/false\n", "/bin/bash\n")
        + "bob:x:1001:1001::/home/bob:/bin/sh\n"
    )
    (etc / "subuid").write_text("bob:100000:65536\nbob:200000:65536\n")
    found = {one["path"]: one["names"] for one in accounts(machine)["accounts"]}
    assert found == {"/etc/passwd": ["alice", "old", "bob"], "/etc/subuid": ["bob"]}
    assert (blank / "passwd").read_text() == (
        "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/bash\n"
        "sonarr:x:901:901::/:/bin/false\nbob:x:1001:1001::/home/bob:/bin/sh\n"
    )
    assert (blank / "subuid").read_text() == "bob:100000:65536\nbob:200000:65536\n"


def test_a_number_that_two_would_have(machine: Machine) -> None:
    etc, blank = prepared(machine)
    (etc / "passwd").write_text(PASSWD + "sonarr:x:901:901::/:/bin/false\n")
    machine.say("blank", "create", "/etc/passwd")
    (etc / "passwd").write_text(PASSWD + "redis:x:901:901::/:/bin/false\n")
    before = (blank / "passwd").read_text()
    said = machine.run("blank", "accounts")
    assert said.returncode == 1
    assert "/etc/passwd: redis and sonarr would both have the number 901" in said.stderr
    assert (blank / "passwd").read_text() == before
