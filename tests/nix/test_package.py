"""The recipe of the package, step by step with nixpkgs' own shell functions; its compilers are not here."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import sh

from .evaluation import ROOT, evaluated, tree

RECIPE = """let
  pkgs = import (NIXPKGS + "/pkgs/top-level/impure.nix") { system = "x86_64-linux"; };
  package = pkgs.callPackage NIX/package.nix { };
in {
  inherit (package) postPatch postBuild postInstall;
  rollback = { inherit (package.rollback) buildPhase installPhase; program = package.rollback.outPath; };
  wrapped = builtins.toString package.makeWrapperArgs;
}"""

# setup.sh ends by running hooks of a builder; its functions come before that.
STEPS = """set -eu
out=$PWD/out
setup=NIXPKGS/pkgs/stdenv/generic/setup.sh
source <(sed -n '/^substituteStream()/,/^substituteAllStream()/p' "$setup" | sed '$d')
runHook() { :; }
CC=gcc
nixLog() { :; }; nixErrorLog() { echo "$@" >&2; }; nixWarnLog() { echo "$@" >&2; }
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return what the steps install, and the program of the initrd that they name."""
    nixpkgs = tree("NIXPKGS")
    recipe = evaluated(RECIPE.replace("NIXPKGS", str(nixpkgs)).replace("NIX/", f"{ROOT}/nix/"))
    place = tmp_path_factory.mktemp("package")
    for name in ("impermanenced", "systemd", "docs", "initrd", "start"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    steps = [recipe["postPatch"], recipe["postBuild"], recipe["postInstall"]]
    steps += [recipe["rollback"]["buildPhase"], recipe["rollback"]["installPhase"]]
    script = "\n".join([STEPS.replace("NIXPKGS", str(nixpkgs)), *steps])
    sh("bash", "-c", script, cwd=place, timeout=170)
    return place, recipe["rollback"]["program"]


def test_units_name_programs_of_the_store(made: tuple[Path, str]) -> None:
    place, program = made
    units = [*(place / "out").rglob("*.service")]
    assert len(units) >= 6
    ours = (f"{place}/out/bin/impermanence", f"{place}/out/lib/impermanence/")
    for unit in units:
        for line in unit.read_text().splitlines():
            if match := re.match(r"Exec\w*=(\S+)", line):
                assert match[1].startswith((*ours, "/nix/store/")), line
    examine = (place / "impermanenced/boots/examine.py").read_text()
    assert f'INSTALLED = b"{program}/lib/impermanence/impermanence-rollback"' in examine
    record = ROOT / "tests/golden/rollback/valid"
    for file in record.iterdir():
        sh(place / "out/lib/impermanence/impermanence-rollback", "--check", "rollback", file)


def test_everything_of_the_system_is_installed(made: tuple[Path, str]) -> None:
    """A unit, policy or page that no step names would be missing without a word."""
    place, _ = made
    there = {file.name for file in (place / "out").rglob("*") if file.is_file()}
    presets = {file.name for file in (ROOT / "systemd").rglob("*.preset")}  # they mean nothing on NixOS
    wanted = {file.name for file in (ROOT / "systemd").rglob("*") if file.is_file()} - presets
    assert wanted <= there
    assert {page.stem for page in (ROOT / "docs").glob("*.scd")} <= there
