"""What our own declarations become: lines that systemd-tmpfiles obeys, and units that systemd understands."""

from __future__ import annotations

import functools
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import sh

from .evaluation import HERE, NIX, evaluated
from .test_pure import lib

ENTRIES = """let
  usual = (import DECLARED { inherit lib; }).usual;
  of = one: usual // { store = "/persist"; source = "here"; directory = true; } // one;
  home = one: of ({ user = "alice"; home = "/home/alice"; } // one);
  none = usual.own;
in [
  (of { path = "/var/log"; hide = true; })
  (of { path = "/var/lib/colord"; own = { user = "colord"; group = "colord"; mode = "u=rwx,g=rx,o="; }; })
  (of { path = "/var/lib/private/thing"; trash = true; options = [ "noexec" ]; })
  (of { path = "/etc/machine-id"; directory = false; initrd = true; })
  (of { path = "/var/keys/secret_file"; directory = false; parent = none // { mode = "0700"; }; })
  (of { path = "/srv/a b%c\\"d\\\\e"; })
  (home { path = "/home/alice/.ssh"; })
  (home { path = "/home/alice/.local/share/Steam"; symlink = true; })
  (home {
    path = "/home/alice/.config/fish/config.fish"; directory = false; own = none // { mode = "0600"; };
  })
  (of { path = "/srv/elsewhere"; symlink = true; target = false; })
]"""

MADE = """let
  lib = LIB;
  persist = import NIX/persist.nix { inherit lib; };
  entries = ENTRIES;
  groupOf = user: if user == "alice" then "users" else user;
  early = builtins.filter (one: one.initrd) entries;
in {
  lines = persist.tmpfiles { inherit groupOf; } entries;
  early = persist.tmpfiles { inherit groupOf; prefix = "/sysroot"; } early;
  mounts = persist.mounts { service = "impermanence-persist.service"; target = "local-fs.target"; } entries;
  sysroot = persist.mounts { service = "s.service"; target = "initrd.target"; prefix = "/sysroot"; } early;
}"""

PASSWD = "root:x:0:0::/root:/bin/sh\nalice:x:1000:100::/home/alice:/bin/sh\ncolord:x:950:950::/:/bin/false\n"
GROUP = "root:x:0:\nusers:x:100:\ncolord:x:950:\n"


@functools.cache
def made() -> Any:
    expression = MADE.replace("ENTRIES", ENTRIES).replace("DECLARED", f"{NIX}/declared.nix")
    return evaluated(expression.replace("LIB", lib()).replace("NIX/", f"{NIX}/"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root with people in it, in which the lines have been obeyed."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    (tmp_path / "home/alice").mkdir(parents=True, mode=0o700)
    os.chown(tmp_path / "home/alice", 1000, 100)
    obey(tmp_path, made()["lines"])
    return tmp_path


def obey(root: Path, lines: list[str]) -> None:
    if shutil.which("systemd-tmpfiles") is None:
        pytest.skip("needs systemd-tmpfiles: install systemd")
    file = root / "lines.conf"
    file.write_text("\n".join(lines) + "\n")
    words = ["systemd-tmpfiles", f"--root={root}", "--create", str(file)]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def facts(path: Path) -> tuple[int, int, str]:
    found = path.lstat()
    return found.st_uid, found.st_gid, f"{stat.S_IMODE(found.st_mode):04o}"


def test_lines_are_obeyed_and_nothing_is_duplicate(root: Path) -> None:
    lines = made()["lines"]
    assert len(lines) == len({line.split(" :")[0] for line in lines})
    for side in (root, root / "persist"):
        assert facts(side / "var/log") == (0, 0, "0755")
        assert facts(side / "var/lib/colord") == (950, 950, "0750")
        assert facts(side / "var/lib/private") == (0, 0, "0700")
        assert facts(side / "var/keys") == (0, 0, "0700")
        assert (side / "var/keys/secret_file").is_file()
        assert facts(side / "home/alice/.ssh") == (1000, 100, "0700")
        assert facts(side / "home/alice/.config/fish") == (1000, 100, "0755")
        assert facts(side / "home/alice/.config/fish/config.fish") == (1000, 100, "0600")
        assert (side / 'srv/a b%c"d\\e').is_dir()
    assert facts(root / "persist/home/alice") == (1000, 100, "0700")
    steam = root / "home/alice/.local/share/Steam"
    assert os.readlink(steam) == "/persist/home/alice/.local/share/Steam"
    assert facts(root / "persist/home/alice/.local/share/Steam") == (1000, 100, "0700")
    assert (root / "srv/elsewhere").is_symlink()
    assert not (root / "persist/srv/elsewhere").exists()


def test_what_exists_keeps_its_owner_and_mode(root: Path) -> None:
    paths = ("persist/var/log", "var/lib/colord", "home/alice/.ssh", "persist/home/alice/.ssh")
    for path in paths:
        os.chown(root / path, 7, 8)
        (root / path).chmod(0o711)
    (root / "etc/machine-id").write_text("kept\n")
    obey(root, made()["lines"])
    for path in paths:
        assert facts(root / path) == (7, 8, "0711")
    assert (root / "etc/machine-id").read_text() == "kept\n"


def test_the_first_boot_stays_one(tmp_path: Path) -> None:
    (tmp_path / "sysroot").mkdir()
    obey(tmp_path, made()["early"])
    assert (tmp_path / "sysroot/persist/etc/machine-id").read_text() == "uninitialized"
    (tmp_path / "sysroot/persist/etc/machine-id").write_text("0123\n")
    obey(tmp_path, made()["early"])
    assert (tmp_path / "sysroot/persist/etc/machine-id").read_text() == "0123\n"
    assert [one["where"] for one in made()["sysroot"]] == ["/sysroot/etc/machine-id"]
    assert [one["what"] for one in made()["sysroot"]] == ["/sysroot/persist/etc/machine-id"]


def unit(mount: Any) -> str:
    """Return a mount as NixOS writes it."""
    head = {"Before": "before", "After": "after", "Requires": "requires", "Conflicts": "conflicts"}
    lines = [f"{key}={' '.join(mount[name])}" for key, name in head.items() if mount[name]]
    body = [f"{key}={mount[key.lower()]}" for key in ("What", "Where", "Type", "Options")]
    text = "\n".join(["[Unit]", "DefaultDependencies=false", *lines, "", "[Mount]", *body])
    return text.replace("%", "%%") + "\n"


def test_mounts_are_understood(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze: install systemd")
    (tmp_path / "impermanence-persist.service").write_text("[Service]\nType=oneshot\nExecStart=/bin/true\n")
    names = []
    for mount in made()["mounts"]:
        names.append(sh("systemd-escape", "--path", "--suffix=mount", mount["where"]).strip())
        (tmp_path / names[-1]).write_text(unit(mount))
    assert len(names) == len(set(names)) == 8
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"}
    words = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no"]
    result = subprocess.run(
        [*words, *(str(tmp_path / name) for name in names)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_options_of_the_mounts() -> None:
    options = {one["where"]: one["options"] for one in made()["mounts"]}
    assert options["/var/log"] == "bind,x-gvfs-hide"
    assert options["/var/lib/private/thing"] == "bind,x-gvfs-trash,noexec"
    assert "/home/alice/.local/share/Steam" not in options
    assert HERE.name == "nix"
