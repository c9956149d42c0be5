"""What the module refuses, in words: real NixOS says each of these before anything is built."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from .evaluation import evaluated, instantiated, systems, text

ROOT = 'fileSystems."/" = { device = "/dev/root_vg/root"; fsType = "btrfs"; options = [ "subvol=root" ]; };'
ENABLED = "services.impermanenced.rollback.enable = true;"
ROLLBACK = "services.impermanenced.rollback"


def root(option: str = "subvol=root", fstype: str = "btrfs") -> str:
    return f'fileSystems."/" = {{ device = "/dev/x"; fsType = "{fstype}"; options = [ "{option}" ]; }};'


def volumes(*tables: str) -> str:
    listed = " ".join(f"{{ {table} }}" for table in tables)
    return f"{ROOT} {ENABLED} {ROLLBACK}.volumes = [ {listed} ];"


# Each with a part of what is said; what NixOS itself says beside it is no matter here.
REFUSED = {
    "scripted stage 1": (
        f"{ROOT} {ENABLED} boot.initrd.systemd.enable = lib.mkForce false;",
        f"{ROLLBACK} needs boot.initrd.systemd.enable = true: the hook is a unit of the systemd initrd",
    ),
    "tmpfs": (
        f'fileSystems."/" = {{ device = "none"; fsType = "tmpfs"; }}; {ENABLED}',
        'fileSystems."/" is a tmpfs, which is empty at each boot anyway: there is nothing to roll back.',
    ),
    "ext4": (
        f"{root(fstype='ext4')} {ENABLED}",
        'fileSystems."/" is ext4, and only subvolumes of BTRFS can be put back to a snapshot.',
    ),
    "no subvol": (
        f"{root('noatime')} {ENABLED}",
        'fileSystems."/" has no subvol= among its options, so the default subvolume boots',
    ),
    "subvolid": (
        f"{root('subvolid=256')} {ENABLED}",
        'fileSystems."/" is mounted by subvolid=, which names the root that is put away',
    ),
    "top level": (
        f"{root('subvol=/')} {ENABLED}",
        'fileSystems."/" is the top level of its filesystem',
    ),
    "another subvolume than the one that boots": (
        root("subvol=@root") + f' {ENABLED} {ROLLBACK}.volumes = [ {{ subvolume = "root"; }} ];',
        'the subvolume of / is "root" here, but fileSystems mounts "@root" there.',
    ),
    "a mountpoint that is none": (
        volumes("", 'mountpoint = "/home";'),
        f"{ROLLBACK}.volumes: /home is no mountpoint of fileSystems.",
    ),
    "a second volume with the mountpoint left out": (
        volumes("", 'name = "home"; subvolume = "home";'),
        f"{ROLLBACK}: volume root and volume home have the same mountpoint, /.",
    ),
    "two of one name": (
        volumes("", 'mountpoint = "/boot"; name = "root"; subvolume = "x";'),
        f"{ROLLBACK}: two volumes are named root.",
    ),
    "the archive in the volume": (
        f'{ROOT} {ENABLED} {ROLLBACK}.archive = "root/old";',
        f"{ROLLBACK}: the archive and volume root lie in one another.",
    ),
    "the blank in the volume": (
        volumes('blank = "root/blank";'),
        f"{ROLLBACK}: the blank of root lies in volume root.",
    ),
    "the state directory": (
        volumes('blank = ".impermanence/blank";'),
        f'{ROLLBACK}.volumes, of /, blank: ".impermanence/blank": that is the state directory.',
    ),
    "the classic script": (
        f'{ROOT} {ENABLED} boot.initrd.postDeviceCommands = lib.mkAfter "btrfs subvolume delete /t/root";',
        f"{ROLLBACK}: boot.initrd.postDeviceCommands puts subvolumes away at boot, too.",
    ),
    "the classic script after resume": (
        f'{ROOT} {ENABLED} boot.initrd.postResumeCommands = "mv /btrfs_tmp/root /btrfs_tmp/old_roots/x";',
        f"{ROLLBACK}: boot.initrd.postResumeCommands puts subvolumes away at boot, too.",
    ),
    "a unit of the user's own": (
        f'{ROOT} {ENABLED} boot.initrd.systemd.services.wipe.script = "btrfs subvolume delete /t/root";',
        f"{ROLLBACK}: boot.initrd.systemd.services.wipe puts subvolumes away at boot, too.",
    ),
    "a unit that is called a rollback": (
        f'{ROOT} {ENABLED} boot.initrd.systemd.services.rollback.serviceConfig.ExecStart = "/bin/x";',
        f"{ROLLBACK}: boot.initrd.systemd.services.rollback puts subvolumes away at boot, too.",
    ),
    "a label with a space": (
        f'fileSystems."/" = {{ label = "a b"; fsType = "btrfs"; options = [ "subvol=root" ]; }}; {ENABLED}',
        f'{ROLLBACK}.device: "/dev/disk/by-label/a\\040b": only letters, digits and @ _ + : , = . - can',
    ),
    "a device that is none": (
        f'{ROOT} {ENABLED} {ROLLBACK}.device = "ID=1";',
        f'{ROLLBACK}.device: "ID=1": it is no path below /dev.',
    ),
    "a percent sign in a subvolume": (
        f"{root('subvol=a%b')} {ENABLED}",
        f'{ROLLBACK}.volumes, of /, subvolume: "a%b": only letters, digits and @ _ + : , = . - can',
    ),
    "a newline in a blank": (
        volumes('blank = "a\\nb";'),
        f'{ROLLBACK}.volumes, of /, blank: "a\\nb": only letters, digits and @ _ + : , = . - can',
    ),
    "a name with a slash": (
        volumes('name = "a/b";'),
        f'{ROLLBACK}.volumes, of /, name: "a/b": only letters, digits and . _ @ - can be in it',
    ),
    "a UUID that is none": (
        volumes('blank = "b"; blankUuid = "XYZ";'),
        f'{ROLLBACK}.volumes, of /, blankUuid: "XYZ": it is no UUID in lower case.',
    ),
    "a requirement that is no path": (
        volumes('require = [ "etc" ];'),
        f'{ROLLBACK}.volumes, of /, require: "etc": it is no absolute path of plain characters.',
    ),
    "no volume": (f"{ROOT} {ENABLED} {ROLLBACK}.volumes = [ ];", f"{ROLLBACK}: there is no volume."),
    "an emergency shell that nobody may enter": (
        f'{ROOT} {ENABLED} {ROLLBACK}.onFailure = "stop";',
        f'{ROLLBACK}.onFailure = "stop" opens the emergency shell, which nobody may enter: set',
    ),
    "settings of what has options": (
        f"{ROOT} {ENABLED} services.impermanenced.settings.rollback.wipe = false;",
        "services.impermanenced.settings.rollback: say services.impermanenced.rollback, of which both",
    ),
    "settings of the archive": (
        f'{ROOT} {ENABLED} services.impermanenced.settings.archive.directory = "x";',
        "services.impermanenced.settings.archive.directory: say services.impermanenced.rollback.archive",
    ),
    "settings of volumes": (
        f'{ROOT} {ENABLED} services.impermanenced.settings.volume = [ {{ name = "x"; }} ];',
        "services.impermanenced.settings.volume: say services.impermanenced.rollback.volumes, of which both",
    ),
    "settings of what persists": (
        f'{ROOT} {ENABLED} services.impermanenced.settings.persist."/persist".files = [ "/etc/x" ];',
        "services.impermanenced.settings.persist: a declaration in config.toml keeps nothing by itself.",
    ),
}

FAILED = "map (one: one.message) (builtins.filter (one: !one.assertion) (nixos [ MODULE ]).config.assertions)"


@functools.cache
def messages() -> dict[str, list[str]]:
    """Return what each is refused with, of one evaluation."""
    cases = [
        f"{text(name)} = {FAILED.replace('MODULE', f'({{ lib, ... }}: {{ {module} }})')};"
        for name, (module, _) in REFUSED.items()
    ]
    found: dict[str, list[str]] = evaluated(f"let nixos = {systems()}; in {{ {' '.join(cases)} }}")
    return found


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_words(name: str) -> None:
    ours = [message for message in messages()[name] if message.startswith("services.impermanenced")]
    assert any(REFUSED[name][1] in message for message in ours), messages()[name]
    assert all(message.isprintable() for message in ours)
    assert all(len(message) < 400 for message in ours)


def test_a_machine_without_a_root_is_refused_in_words() -> None:
    expression = FAILED.replace("MODULE", f"{{ {ENABLED} }}")
    found = evaluated(f"let nixos = {systems()}; in {expression}")
    assert any(message.startswith(f'{ROLLBACK}: no fileSystems."/" is defined') for message in found)


WRONG: dict[str, tuple[str, str]] = {
    "onFailure": (f'{ROLLBACK}.onFailure = "boot";', f"`{ROLLBACK}.onFailure'"),
    "keep-min": (
        "services.impermanenced.settings.archive.keep-min = -1;",
        "`services.impermanenced.settings.archive.keep-min'",
    ),
    "ignore": (
        'services.impermanenced.settings.watch.ignore = "x";',
        "`services.impermanenced.settings.watch.ignore'",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_value_of_another_type_names_its_option(name: str) -> None:
    module, option = WRONG[name]
    asked = "(nixos [ MODULE ]).config.services.impermanenced.finalSettings".replace(
        "MODULE", f"{{ {ROOT} {ENABLED} {module} }}"
    )
    result = instantiated(f"let nixos = {systems()}; in {asked}")
    assert result.returncode != 0
    assert f"A definition for option {option} is not of type" in result.stderr


def test_nothing_is_said_of_a_machine_that_is_right() -> Any:
    expression = FAILED.replace("MODULE", f"{{ {ROOT} {ENABLED} }}")
    assert evaluated(f"let nixos = {systems()}; in {expression}") == []
