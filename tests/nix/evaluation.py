"""Nix, asked for values: with nothing but itself, and with real trees where they are named.

`make test-nix NIXPKGS=PATH` names a tree of nixpkgs, and IMPERMANENCE=, PRESERVATION=, HOME_MANAGER= and
DISKO= those of the modules beside ours.  Nothing is built, so no store is needed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NIX = ROOT / "nix"
MODULE = NIX / "module"

# An option of a machine that is as small as NixOS lets it be.
MACHINE = """{
  nixpkgs.hostPlatform = "x86_64-linux";
  boot.loader.systemd-boot.enable = true;
  boot.initrd.systemd.enable = true;
  system.stateVersion = "25.11";
  users.users.root.initialHashedPassword = "";
  fileSystems."/boot" = { device = "/dev/disk/by-label/BOOT"; fsType = "vfat"; };
}"""


def tree(variable: str) -> Path:
    """Return the tree that an environment variable names; without one the test is skipped."""
    named = os.environ.get(variable, "")
    if not named:
        pytest.skip(f"needs a tree: make test-nix {variable}=PATH (CONTRIBUTING.md says which)")
    return Path(named).absolute()


def needs_nix() -> None:
    if shutil.which("nix-instantiate") is None:
        pytest.skip("needs nix-instantiate: install nix-bin")


def instantiated(expression: str) -> subprocess.CompletedProcess[str]:
    """Evaluate an expression, as deep as it goes."""
    needs_nix()
    words = ("nix-instantiate", "--eval", "--strict", "--json", "--store", "dummy://", "--expr", expression)
    environment = {**os.environ, "NIX_PATH": "", "NIX_CONFIG": "experimental-features = nix-command flakes"}
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=170, check=False)


def evaluated(expression: str) -> Any:
    """Return the value of an expression."""
    result = instantiated(expression)
    assert result.returncode == 0, result.stderr[-4000:]
    return json.loads(result.stdout)


def text(value: str) -> str:
    """Return a string as Nix writes it."""
    return (
        '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${").replace("\n", "\\n") + '"'
    )


def systems(modules: str = "") -> str:
    """Return an expression: a function from a list of modules to the evaluated NixOS with ours."""
    nixpkgs = tree("NIXPKGS")
    return f"import {HERE}/system.nix {{ nixpkgs = {nixpkgs}; common = [ {MODULE} {MACHINE} {modules} ]; }}"
