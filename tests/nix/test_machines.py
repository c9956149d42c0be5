"""Machines that people have, through a real NixOS: units, record and configuration."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import pytest

import impermanenced
from impermanenced.boots import records
from impermanenced.config import load
from tests.conftest import sh
from tests.shell.hook import INSTALLED, built

from .evaluation import ROOT, evaluated, systems, tree
from .toml import written

# What is wanted of a system.
WANTED = """let
  nixos = SYSTEMS;
  found = (nixos [ ({ lib, ... }: MACHINE) ]).config;
in {
  assertions = map (one: one.message) (builtins.filter (one: !one.assertion) found.assertions);
  inherit (found) warnings;
  initrd = found.boot.initrd.systemd.units."impermanence-rollback.service".text;
  required = found.boot.initrd.systemd.units."impermanence-rollback.service".requiredBy;
  record = found.environment.etc."impermanence/rollback.env".source.text;
  program = found.boot.initrd.systemd.contents."/usr/lib/impermanence/impermanence-rollback".source;
  same = found.boot.initrd.systemd.contents."/etc/impermanence/rollback.env".source
    == found.environment.etc."impermanence/rollback.env".source;
  settings = found.services.impermanenced.finalSettings;
  daemon = found.systemd.units."impermanenced.service".text;
  wanted = {
    daemon = found.systemd.units."impermanenced.service".wantedBy;
    alert = found.systemd.units."impermanence-alert.service".wantedBy;
    good = found.systemd.units."impermanence-boot-good.service".wantedBy;
    timer = found.systemd.units."impermanence-prune.timer".wantedBy or [ ];
    notify = found.systemd.user.units."impermanence-notify.service".wantedBy or [ ];
  };
  dbus = builtins.elem found.services.impermanenced.package found.services.dbus.packages;
  units = builtins.elem found.services.impermanenced.package found.systemd.packages;
  path = builtins.elem found.services.impermanenced.package found.environment.systemPackages;
  checks = map (one: one.name) found.system.checks;
  toplevel = found.system.build.toplevel.drvPath;
}"""

LVM = """{
  # The machine of the article that this project begins with.
  fileSystems."/" = { device = "/dev/root_vg/root"; fsType = "btrfs"; options = [ "subvol=root" ]; };
  fileSystems."/persist" = {
    device = "/dev/root_vg/root"; neededForBoot = true; fsType = "btrfs"; options = [ "subvol=persist" ];
  };
  fileSystems."/nix" = { device = "/dev/root_vg/root"; fsType = "btrfs"; options = [ "subvol=nix" ]; };
  boot.resumeDevice = "/dev/root_vg/swap";
  services.impermanenced.rollback.enable = true;
  services.impermanenced.prune = true;
  services.impermanenced.notify = true;
}"""

LUKS = """{
  boot.initrd.luks.devices.enc.device = "/dev/disk/by-uuid/00000000-0000-0000-0000-000000000001";
  fileSystems."/" = {
    device = "/dev/mapper/enc"; fsType = "btrfs"; options = [ "subvol=@root" "compress=zstd" ];
  };
  fileSystems."/home" = {
    device = "/dev/mapper/enc"; fsType = "btrfs"; options = [ "compress=zstd,subvol=@home" ];
  };
  services.impermanenced.rollback = {
    enable = true;
    wipe = false;
    onMissingBlank = "create-empty";
    volumes = [
      { blank = "@root-blank"; blankUuid = "01234567-89ab-cdef-0123-456789abcdef"; require = [ "/etc" ]; }
      { mountpoint = "/home"; blank = "@home-blank"; }
    ];
  };
  services.impermanenced.settings = {
    archive.keep-days = 14; watch.ignore = [ "*.swp" ]; gate.inhibit = true;
  };
}"""

BY_UUID = """{
  fileSystems."/" = {
    device = "UUID=0123ABCD-0000-0000-0000-000000000000"; fsType = "btrfs"; options = [ "subvol=@" ];
  };
  services.impermanenced.rollback.enable = true;
}"""

DISKO = """{
  imports = [ DISKO/module.nix DISKO/example/btrfs-subvolumes.nix ];
  fileSystems."/boot" = { device = lib.mkForce "/dev/disk/by-label/BOOT"; fsType = lib.mkForce "vfat"; };
  services.impermanenced.rollback.enable = true;
}"""


@functools.cache
def system(machine: str) -> Any:
    return evaluated(WANTED.replace("SYSTEMS", systems()).replace("MACHINE", machine))


def configured(found: Any, tmp_path: Path) -> load.Config:
    """Return the configuration that the system gets, as the daemon reads it."""
    file = tmp_path / "config.toml"
    file.write_text(written(found["settings"]))
    return load.load(os.fsencode(file))


def recorded(found: Any, tmp_path: Path) -> records.RollbackEnv:
    """Return the record, which the program of the initrd reads first."""
    file = tmp_path / "rollback.env"
    file.write_text(found["record"])
    sh(built(INSTALLED), "--check", "rollback", file)
    return records.parse_rollback(file.read_bytes())


def agree(config: load.Config, record: records.RollbackEnv) -> None:
    """One source makes both."""
    assert [one.name for one in config.volumes] == [one.name for one in record.volumes]
    assert [one.subvolume for one in config.volumes] == [one.subvolume for one in record.volumes]
    assert [one.blank or None for one in config.volumes] == [one.blank for one in record.volumes]
    assert config.archive.directory == record.archive
    assert config.rollback.wipe == record.wipe
    assert config.rollback.on_failure == record.on_failure
    assert config.rollback.on_missing_blank == record.on_missing_blank
    assert config.rollback.require == record.volumes[0].require


def test_lvm_with_resume(tmp_path: Path) -> None:
    found = system(LVM)
    assert (found["assertions"], found["warnings"]) == ([], [])
    config, record = configured(found, tmp_path), recorded(found, tmp_path)
    agree(config, record)
    assert (record.device, record.volumes[0].subvolume) == (b"/dev/root_vg/root", b"root")
    assert (record.volumes[0].name, record.volumes[0].blank, record.wipe) == ("root", None, True)
    for line in ("After=", "Wants="):
        words = next(one for one in found["initrd"].splitlines() if one.startswith(line))
        assert "dev-root_vg-root.device" in words
    assert "systemd-hibernate-resume.service" in found["initrd"]
    assert found["required"] == ["sysroot.mount"]
    assert found["toplevel"].endswith(".drv")


def test_initrd_has_the_program_and_the_record() -> None:
    found = system(LVM)
    assert found["program"].startswith("/nix/store/")
    assert found["program"].endswith("/lib/impermanence/impermanence-rollback")
    assert found["same"]
    named = "ExecStart=/usr/lib/impermanence/impermanence-rollback --record /nix/store/"
    assert any(line.startswith(named) for line in found["initrd"].splitlines())


def test_the_product_is_installed() -> None:
    found = system(LVM)
    assert (found["dbus"], found["units"], found["path"]) == (True, True, True)
    assert found["wanted"] == {
        "daemon": ["multi-user.target"],
        "alert": ["multi-user.target"],
        "good": ["multi-user.target"],
        "timer": ["timers.target"],
        "notify": ["graphical-session.target"],
    }
    assert {"impermanence-config-check", "impermanence-rollback-check"} <= set(found["checks"])
    assert "X-Reload-Triggers=/nix/store/" in found["daemon"]
    quiet = system(BY_UUID)
    assert (quiet["wanted"]["timer"], quiet["wanted"]["notify"]) == ([], [])


def test_luks_with_two_volumes(tmp_path: Path) -> None:
    found = system(LUKS)
    assert (found["assertions"], found["warnings"]) == ([], [])
    config, record = configured(found, tmp_path), recorded(found, tmp_path)
    agree(config, record)
    assert [one.subvolume for one in record.volumes] == [b"@root", b"@home"]
    assert [one.name for one in record.volumes] == ["root", "home"]
    assert (record.wipe, record.on_missing_blank, config.archive.keep_days) == (False, "create-empty", 14)
    assert (config.ignore, config.gate.inhibit) == (("*.swp",), True)
    assert "dev-mapper-enc.device" in found["initrd"]


def test_a_device_by_its_tag(tmp_path: Path) -> None:
    found = system(BY_UUID)
    assert (found["assertions"], found["warnings"]) == ([], [])
    record = recorded(found, tmp_path)
    agree(configured(found, tmp_path), record)
    assert record.device == b"/dev/disk/by-uuid/0123abcd-0000-0000-0000-000000000000"
    assert record.volumes[0].subvolume == b"@"
    assert r"dev-disk-by\x2duuid-0123abcd\x2d0000\x2d0000\x2d0000\x2d000000000000.device" in found["initrd"]


def test_disko_writes_a_slash_before_the_subvolume(tmp_path: Path) -> None:
    found = system(DISKO.replace("DISKO", str(tree("DISKO"))))
    assert found["assertions"] == []
    record = recorded(found, tmp_path)
    agree(configured(found, tmp_path), record)
    assert record.volumes[0].subvolume == b"rootfs"


FLAKE = """let
  nixpkgs = NIXPKGS;
  pkgs = import (nixpkgs + "/pkgs/top-level/impure.nix") { system = "x86_64-linux"; };
  flake = (import FLAKE).outputs {
    self = flake;
    nixpkgs.lib = import (nixpkgs + "/lib");
    nixpkgs.legacyPackages = { x86_64-linux = pkgs; aarch64-linux = pkgs; };
  };
in {
  outputs = builtins.mapAttrs (_: builtins.attrNames) (removeAttrs flake [ "overlays" ]);
  package = flake.packages.x86_64-linux.default.drvPath;
  overlaid = (pkgs.extend flake.overlays.default).impermanenced.drvPath;
  version = flake.packages.x86_64-linux.default.version;
  needs = map (one: one.pname) flake.packages.x86_64-linux.default.dependencies;
  check = flake.checks.x86_64-linux.boots.drvPath;
  formatter = flake.formatter.x86_64-linux.name;
}"""


def test_the_flake() -> None:
    found = evaluated(
        FLAKE.replace("NIXPKGS", str(tree("NIXPKGS"))).replace("FLAKE", str(ROOT / "flake.nix"))
    )
    assert found["package"].endswith(".drv")
    assert found["overlaid"] == found["package"]
    assert found["check"].endswith("vm-test-run-impermanenced-boots.drv")
    assert found["version"] == impermanenced.__version__
    assert sorted(found["needs"]) == [
        "btrfsutil",
        "pydbus",
        "pygobject",
        "structlog",
        "systemd-python",
        "watchdog",
    ]
    assert set(found["outputs"]) == {"packages", "nixosModules", "homeManagerModules", "checks", "formatter"}
    assert found["outputs"]["nixosModules"] == found["outputs"]["homeManagerModules"] == ["default"]


def test_the_flake_by_nix_itself(tmp_path: Path) -> None:
    """Slow, for it copies a whole nixpkgs: only where it is asked for."""
    if not os.environ.get("NIX_FLAKE"):
        pytest.skip("copies a whole nixpkgs into a store: NIX_FLAKE=1 asks for it")
    words = (
        "nix",
        "--extra-experimental-features",
        "nix-command flakes",
        "eval",
        "--offline",
        "--no-write-lock-file",
    )
    store = ("--store", str(tmp_path), "--override-input", "nixpkgs", f"path:{tree('NIXPKGS')}")
    path = f"path:{ROOT}#packages.x86_64-linux.default.drvPath"
    assert "impermanenced" in sh(*words, *store, path, timeout=170)
