"""The module for NixOS, as far as it evaluates without NixOS: its unit is dracut's, its record is read."""

from __future__ import annotations

import functools
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from impermanenced.boots import records
from tests.conftest import sh
from tests.shell.hook import INITRD, INSTALLED, built

MODULE = INITRD / "nixos/module.nix"
EVALUATE = Path(__file__).parent / "nixos/evaluate.nix"
UNIT = INITRD / "dracut/impermanence-rollback.service"
DEVICE = "escaped:/dev/mapper/enc.device"


@functools.cache
def evaluated() -> Any:
    if shutil.which("nix-instantiate") is None:
        pytest.skip("needs nix-instantiate: install nix-bin")
    expression = f"import {EVALUATE} {MODULE}"
    words = ("--eval", "--strict", "--json", "--store", "dummy://", "--expr", expression)
    return json.loads(sh("nix-instantiate", *words, env={**os.environ, "NIX_PATH": ""}))


def test_module_is_understood() -> None:
    if shutil.which("nix-instantiate") is None:
        pytest.skip("needs nix-instantiate: install nix-bin")
    sh("nix-instantiate", "--parse", MODULE)
    assert evaluated()["assertions"] == [True, True]


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
    unit = evaluated()["unit"]
    lists = {
        "Wants": [name for name in unit["wants"] if name != DEVICE],
        "After": [name for name in unit["after"] if name != DEVICE],
        "Before": unit["before"],
        "OnFailure": unit["onFailure"],
    }
    made = {
        "Unit": {
            "Description": unit["description"],
            **unit["unitConfig"],
            **{key: " ".join(names) for key, names in lists.items()},
        },
        "Service": unit["serviceConfig"],
        "Install": {"RequiredBy": " ".join(unit["requiredBy"]), "WantedBy": " ".join(unit["wantedBy"])},
    }
    assert made == sections()
    assert DEVICE in unit["wants"]
    assert DEVICE in unit["after"]


def test_initrd_has_the_program() -> None:
    files = evaluated()["files"]
    assert files["/usr/lib/impermanence/impermanence-rollback"] == "/impermanence-rollback"
    assert set(files) == {
        "/usr/lib/impermanence/impermanence-rollback",
        "/etc/impermanence/rollback.env",
    }


def test_record_is_read_by_the_hook_and_by_the_library(tmp_path: Path) -> None:
    file = tmp_path / "rollback.env"
    file.write_text(evaluated()["files"]["/etc/impermanence/rollback.env"])
    sh(built(INSTALLED), "--check", "rollback", file)
    read = records.parse_rollback(file.read_bytes(), bytes(file))
    assert [volume.name for volume in read.volumes] == ["root", "home"]
    assert [volume.subvolume for volume in read.volumes] == [b"@root", b"@home"]
    assert [volume.blank for volume in read.volumes] == [b"@root-blank", None]
    assert (read.device, read.on_missing_blank, read.wipe) == (b"/dev/mapper/enc", "create-empty", True)
