"""What the module works out without NixOS: its unit is dracut's, its record is read."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import pytest

from impermanenced.boots import records
from impermanenced.boots.records import RollbackEnv, RollbackVolume
from impermanenced.cli.formats import tmpfiles
from tests.conftest import sh
from tests.shell.hook import INITRD, INSTALLED, built

from .evaluation import HERE, NIX, evaluated, needs_nix, text

UNIT = INITRD / "dracut/impermanence-rollback.service"
DEVICE = "dev-mapper-enc.device"


def lib() -> str:
    """Return the expression of a lib: the real one where there is a tree."""
    named = os.environ.get("NIXPKGS")
    return f"(import {named}/lib)" if named else f"(import {HERE}/lib.nix)"


def asked(expression: str) -> Any:
    return evaluated(f"let pure = import {NIX}/lib.nix {{ lib = {lib()}; }}; in {expression}")


def each(function: str, values: list[str]) -> list[Any]:
    found: list[Any] = asked(f"map pure.{function} [ {' '.join(map(text, values))} ]")
    return found


# The unit


@functools.cache
def unit() -> Any:
    words = f'program = "PROGRAM"; record = "RECORD"; deviceUnit = "{DEVICE}";'
    return evaluated(f"import {NIX}/unit.nix {{ {words} }}")


def sections() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for line in UNIT.read_text().splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section[key] = value
    return found


def test_unit_is_that_of_dracut() -> None:
    """Two units with one meaning: a line that one of them gains, the other one needs."""
    lists = {
        "Wants": [name for name in unit()["wants"] if name != DEVICE],
        "After": [name for name in unit()["after"] if name != DEVICE],
        "Before": unit()["before"],
        "OnFailure": unit()["onFailure"],
    }
    made = {
        "Unit": {
            "Description": unit()["description"],
            **unit()["unitConfig"],
            **{key: " ".join(names) for key, names in lists.items()},
        },
        "Service": {**unit()["serviceConfig"], "ExecStart": sections()["Service"]["ExecStart"]},
        "Install": {"RequiredBy": " ".join(unit()["requiredBy"]), "WantedBy": " ".join(unit()["wantedBy"])},
    }
    assert made == sections()
    assert DEVICE in unit()["wants"]
    assert DEVICE in unit()["after"]


def test_the_record_is_named_because_a_link_is_no_record(tmp_path: Path) -> None:
    """In /etc of a NixOS initrd there are links alone, and the program refuses a record that is one."""
    assert unit()["serviceConfig"]["ExecStart"] == "PROGRAM --record RECORD"
    (tmp_path / "record").write_text(record("{ }"))
    (tmp_path / "link").symlink_to("record")
    sh(built(INSTALLED), "--check", "rollback", tmp_path / "record")
    with pytest.raises(AssertionError, match="not a regular file"):
        sh(built(INSTALLED), "--check", "rollback", tmp_path / "link")


# The record

USUAL = """{
  device = "/dev/mapper/enc";
  archive = "old_roots";
  wipe = true;
  onFailure = "keep";
  onMissingBlank = "create-empty";
  volumes = [
    {
      name = "root";
      mountpoint = "/";
      subvolume = "@root";
      blank = "@root-blank";
      blankUuid = "01234567-89ab-cdef-0123-456789abcdef";
      require = [ "/etc" ];
    }
    {
      name = "home"; mountpoint = "/home"; subvolume = "@home"; blank = null; blankUuid = null; require = [ ];
    }
  ];
}"""


def record(changed: str) -> str:
    return str(asked(f"pure.record ({USUAL} // {changed})"))


def test_record_is_read_by_the_hook_and_by_the_library(tmp_path: Path) -> None:
    file = tmp_path / "rollback.env"
    file.write_text(record("{ }"))
    sh(built(INSTALLED), "--check", "rollback", file)
    read = records.parse_rollback(file.read_bytes(), bytes(file))
    assert [volume.name for volume in read.volumes] == ["root", "home"]
    assert [volume.subvolume for volume in read.volumes] == [b"@root", b"@home"]
    assert [volume.blank for volume in read.volumes] == [b"@root-blank", None]
    assert read.volumes[0].require == (b"/etc",)
    assert (read.device, read.on_missing_blank, read.wipe) == (b"/dev/mapper/enc", "create-empty", True)
    assert file.read_bytes() == records.format_rollback(read)
    trial = records.parse_rollback(record('{ wipe = false; onFailure = "stop"; }').encode())
    assert (trial.wipe, trial.on_failure) == (False, "stop")


def test_configuration_and_record_have_one_source() -> None:
    found = asked(f"pure.configured {USUAL}")
    read = records.parse_rollback(record("{ }").encode())
    assert [one["subvolume"].encode() for one in found["volume"]] == [one.subvolume for one in read.volumes]
    assert [one["blank"].encode() or None for one in found["volume"]] == [one.blank for one in read.volumes]
    assert [one["mountpoint"] for one in found["volume"]] == ["/", "/home"]
    assert found["archive"] == {"directory": read.archive.decode()}
    assert found["rollback"] == {
        "wipe": True,
        "on-failure": "keep",
        "on-missing-blank": "create-empty",
        "require": ["/etc"],
    }


# Faults

PATHS = [
    "root", "@/root", "a.b/c", "@root-blank", "old_roots", "", "/root", "root/", "a//b", ".", "a/..", "-a",
    ".impermanence", ".impermanence/x", "a b", "a%b", "a\nb", "a$b", "a;b", "é", "a\\b", '"a"', "a?b",
    "x/.impermanence",
]  # fmt: skip


def test_no_path_passes_that_the_record_cannot_hold() -> None:
    faults = each("pathFault", PATHS)
    ours = {path for path, fault in zip(PATHS, faults, strict=True) if fault is None}
    theirs = {path for path in PATHS if records.path_fault(path.encode()) is None}
    assert ours <= theirs
    # What an unescaped line cannot hold, and what the configuration refuses, is all that is refused beside.
    assert theirs - ours == {"a b", "a%b", "é"}
    assert all(fault is None or fault.isprintable() for fault in faults)


def test_devices() -> None:
    names = {
        "/dev/root_vg/root": "/dev/root_vg/root",
        "UUID=0123ABCD-0000-0000-0000-000000000000": "/dev/disk/by-uuid/0123abcd-0000-0000-0000-000000000000",
        "PARTUUID=AB": "/dev/disk/by-partuuid/ab",
        "LABEL=Root": "/dev/disk/by-label/Root",
        "PARTLABEL=disk-main-root": "/dev/disk/by-partlabel/disk-main-root",
    }
    assert each("devicePath", list(names)) == list(names.values())
    bad = [
        "/dev/disk/by-label/my\\x20root",
        "/dev/disk/by-label/a b",
        "tmpfs",
        "",
        "/dev/",
        "/dev/../x",
        "/dev/a%b",
    ]
    assert None not in each("deviceFault", bad)
    assert each("deviceFault", list(names.values())) == [None] * len(names)


def test_subvolumes() -> None:
    options = {
        '[ "subvol=root" ]': "root",
        '[ "noatime" "subvol=/rootfs" "compress=zstd" ]': "rootfs",
        '[ "compress=zstd,subvol=//@/root/" ]': "@/root",
        '[ "subvol=a" "subvol=b" ]': "b",
        '[ "subvol=/" ]': "",
        '[ "subvolid=256" ]': None,
        "[ ]": None,
    }
    assert asked(f"map pure.subvolumeOf [ {' '.join(options)} ]") == list(options.values())


NAMES = ["root", "@", "a.b", "_x", "", ".a", "-a", "a b", "a%", "a\n", "a/b", "x" * 64, "x" * 65]


def test_names_and_the_rest() -> None:
    faults = each("nameFault", NAMES)
    assert [name for name, fault in zip(NAMES, faults, strict=True) if fault is None] == [
        "root",
        "@",
        "a.b",
        "_x",
        "x" * 64,
    ]
    uuids = ["01234567-89ab-cdef-0123-456789abcdef", "01234567-89AB-cdef-0123-456789abcdef", "x", ""]
    assert [fault is None for fault in each("uuidFault", uuids)] == [True, False, False, False]
    require = ["/etc", "/", "/a b", "etc", "", "/a/../b", "/a%", "/a\n"]
    assert [fault is None for fault in each("requireFault", require)] == [True, True, True, *([False] * 5)]


LAYOUTS: list[tuple[str, list[tuple[str, str, str | None]]]] = [
    ("old_roots", [("root", "root", "root-blank"), ("home", "home", None)]),
    ("old_roots", []),
    ("old_roots", [("root", "root", None), ("root", "home", None)]),
    ("old_roots", [("root", "@", None), ("home", "@/home", None)]),
    ("root/old", [("root", "root", None)]),
    ("a", [("root", "a/root", None)]),
    ("old_roots", [("root", "root", "root/blank")]),
    ("old_roots", [("root", "root", "home/blank"), ("home", "home", None)]),
    ("rootold", [("root", "root", "rootblank")]),
]


def test_layouts_are_judged_as_by_the_library() -> None:
    expressions, expected = [], []
    for archive, volumes in LAYOUTS:
        listed = [
            f"{{ name = {text(name)}; mountpoint = {text(f'/{number}')}; subvolume = {text(subvolume)}; "
            f"blank = {'null' if blank is None else text(blank)}; }}"
            for number, (name, subvolume, blank) in enumerate(volumes)
        ]
        expressions.append(f"(pure.layoutFaults {text(archive)} [ {' '.join(listed)} ])")
        made = tuple(
            RollbackVolume(name, sub.encode(), None if b is None else b.encode()) for name, sub, b in volumes
        )
        expected.append(records.layout_fault(RollbackEnv(made, archive=archive.encode())))
    found = asked(f"[ {' '.join(expressions)} ]")
    assert [bool(faults) for faults in found] == [fault is not None for fault in expected]


def test_two_volumes_have_two_mountpoints() -> None:
    volume = '{ name = "NAME"; mountpoint = "/"; subvolume = "NAME"; blank = null; }'
    two = " ".join(volume.replace("NAME", name) for name in ("root", "home"))
    found = asked(f'pure.layoutFaults "old_roots" [ {two} ]')
    assert found == ["volume root and volume home have the same mountpoint, /"]


def test_modes_become_octal() -> None:
    modes = {"0750": "0750", "755": "755", "u=rwx,g=rx,o=": "0750", "a=rx,u=rwx": "0755", "ug=rw": "0660"}
    assert each("octal", list(modes)) == list(modes.values())
    assert each("octal", ["u+x", "rwx", "", "8", "u=rwx,", "u=rws"]) == [None] * 6
    assert [tmpfiles.octal(mode) for mode in modes] == list(modes.values())


def test_a_message_is_one_line() -> None:
    assert asked('pure.oneLine "  a b\\n   c  d\\n"') == "a b c d"


@pytest.mark.parametrize(
    "file", [*sorted(NIX.rglob("*.nix")), NIX.parent / "flake.nix"], ids=lambda file: file.name
)
def test_each_file_is_nix(file: Path) -> None:
    needs_nix()
    sh("nix-instantiate", "--parse", file)
