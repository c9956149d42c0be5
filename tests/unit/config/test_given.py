"""`[[declare]]`: files that each boot makes anew, and what stands in their way."""

from __future__ import annotations

from pathlib import Path

import pytest

from impermanenced.config.placement import Ownership
from impermanenced.keep import plan, units
from impermanenced.keep.ownership import Accounts
from impermanenced.keep.plan import Facts

from .reading import parsed, refused

TWO = """
[[declare]]
path = "/etc/motd"
source = "/persist/files/motd"
[[declare]]
path = "/home/alice/.config/app.conf"
source = "/persist/files/app.conf"
method = "copy"
user = "alice"
mode = "0600"
"""
FACTS = Facts(Accounts({"root": (0, 0), "alice": (1000, 1000)}, {"root": 0}))


def test_what_it_says(tmp_path: Path) -> None:
    motd, app = parsed(tmp_path, TWO).given
    assert (motd.path, motd.source) == (b"/etc/motd", b"/persist/files/motd")
    assert motd.placement.method == "symlink"
    assert (app.placement.method, app.placement.own) == ("copy", Ownership("alice", None, "0600"))
    assert (app.placement.user, app.placement.home) == ("alice", b"/home/alice")
    assert app.placement.declaration.source.endswith("declare[1]")


def test_each_boot_makes_it(tmp_path: Path) -> None:
    config = parsed(tmp_path, TWO)
    files = units.compiled(plan.make(config.placements, FACTS, config.given))
    lines = files["tmpfiles/impermanence.conf"].decode().splitlines()
    assert "L /etc/motd - :0 :0 - /persist/files/motd" in lines
    assert "C /home/alice/.config/app.conf :0600 :1000 :1000 - /persist/files/app.conf" in lines
    assert "d /home/alice/.config :0700 :1000 :1000 - -" in lines, "no directory of root's in a home"
    places = files["units/impermanence-places.service"].decode()
    assert "RequiresMountsFor=/persist/files\n" in places and "RequiresMountsFor=/etc\n" in places


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("declare = {}", "one table"),
        ('[[declare]]\npath = "/a"', "a declared file needs source"),
        ('[[declare]]\nsource = "/a"', "a declared file needs path"),
        ('[[declare]]\npath = "a"\nsource = "/b"', '"a" is not absolute'),
        ('[[declare]]\npath = "/a"\nsource = "/a"', "holds its own source"),
        ('[[declare]]\npath = "/run/a"\nsource = "/b"', "is in /run, which every boot makes anew"),
        ('[[declare]]\npath = "/a"\nsource = "/b"\nmethod = "bind"', '"bind" is none of the words'),
        ('[[declare]]\npath = "/a"\nsource = "/b"\n' * 2, "is declared in"),
        (
            '[persist."/p"]\ndirectories = ["/d"]\n[[declare]]\npath = "/d/a"\nsource = "/b"',
            "is kept by",
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, message: str) -> None:
    assert message in refused(tmp_path, text).message


def test_files_add_up_and_without_it_nothing_changes(tmp_path: Path) -> None:
    assert parsed(tmp_path, "").given == ()
    assert parsed(tmp_path, TWO).declarations == ()
