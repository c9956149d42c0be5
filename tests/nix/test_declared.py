"""What persists is said once: the daemon reads the same from each module, and what cannot be is refused."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import pytest

from impermanenced.config import load
from impermanenced.config.placement import Ownership, Placement

from .evaluation import evaluated, instantiated, systems, text, tree
from .toml import written

MACHINE = """{
  fileSystems."/" = { device = "/dev/root_vg/root"; fsType = "btrfs"; options = [ "subvol=root" ]; };
  fileSystems."/persist" = {
    device = "/dev/root_vg/root"; neededForBoot = true; fsType = "btrfs"; options = [ "subvol=persist" ];
  };
  services.impermanenced.enable = true;
  users.users.talyz = { isNormalUser = true; };
  users.users.colord = { isSystemUser = true; group = "colord"; };
  users.groups.colord = { };
}"""

# The declarations of the article that this project begins with.
SYSTEM = """
    "/etc/nixos" "/var/log" "/var/lib/bluetooth" "/var/lib/nixos" "/var/lib/systemd/coredump"
    "/etc/NetworkManager/system-connections"
    { directory = "/var/lib/colord"; user = "colord"; group = "colord"; mode = "u=rwx,g=rx,o="; }
"""
HOME = """
    "Downloads" "Music" "Pictures" "Documents" "Videos" "VirtualBox VMs"
    { directory = ".gnupg"; mode = "0700"; } { directory = ".ssh"; mode = "0700"; }
    { directory = ".nixops"; mode = "0700"; } { directory = ".local/share/keyrings"; mode = "0700"; }
    ".local/share/direnv"
"""
IMPERMANENCE = f"""{{
  environment.persistence."/persist" = {{
    hideMounts = true;
    directories = [ {SYSTEM} ];
    files = [
      "/etc/machine-id" {{ file = "/var/keys/secret_file"; parentDirectory = {{ mode = "u=rwx,g=,o="; }}; }}
    ];
    users.talyz = {{ directories = [ {HOME} ]; files = [ ".screenrc" ]; }};
  }};
}}"""
OURS = IMPERMANENCE.replace("environment.persistence", "services.impermanenced.persist").replace(
    '".local/share/direnv"',
    '".local/share/direnv" { directory = ".local/share/Steam"; method = "symlink"; }',
)
PRESERVATION = """{
  preservation.enable = true;
  preservation.preserveAt."/persist" = {
    commonMountOptions = [ "x-gvfs-hide" ];
    directories = [
      "/var/log"
      { directory = "/var/lib/nixos"; inInitrd = true; }
      { directory = "/var/lib/colord"; user = "colord"; group = "colord"; mode = "0750"; }
      { directory = "/srv/x"; mountOptions = [ "noexec" ]; }
    ];
    files = [
      { file = "/etc/machine-id"; inInitrd = true; }
      { file = "/var/keys/secret_file"; configureParent = true; parent.mode = "0700"; mode = "0600"; }
    ];
    users.talyz = {
      directories = [
        ".ssh"
        { directory = ".local/share/Steam"; how = "symlink"; createLinkTarget = true; }
        { directory = ".config"; how = "_intermediate"; mode = "0700"; }
        ".config/fish"
      ];
      files = [ ".screenrc" ];
    };
  };
}"""
HOME_MANAGER = """{
  home-manager.users.talyz = {
    home.stateVersion = "25.11";
    home.persistence."/persist" = {
      directories = [ ".ssh" { directory = "x"; mode = "0700"; } ];
      files = [ ".config/fish/config.fish" ];
    };
  };
}"""
OUR_HOME = """{
  home-manager.sharedModules = [ ROOT/nix/home-manager.nix ];
  home-manager.users.talyz = {
    home.stateVersion = "25.11";
    services.impermanenced = { notify = true; persist."/persist".directories = [ ".ssh" ]; };
  };
}"""

FOUND = """let nixos = SYSTEMS; found = (nixos [ ({ lib, ... }: MACHINE) ]).config; in {
  assertions = map (one: one.message) (builtins.filter (one: !one.assertion) found.assertions);
  settings = found.services.impermanenced.finalSettings;
}"""


def modules(*variables: str) -> str:
    places = {"IMPERMANENCE": "nixos.nix", "PRESERVATION": "module.nix", "HOME_MANAGER": "nixos"}
    return " ".join([MACHINE, *(f"{tree(variable)}/{places[variable]}" for variable in variables)])


def found(module: str, *variables: str) -> Any:
    return evaluated(FOUND.replace("SYSTEMS", systems(modules(*variables))).replace("MACHINE", module))


def placements(settings: Any, tmp_path: Path) -> dict[str, Placement]:
    file = tmp_path / "config.toml"
    file.write_text(written(settings))
    read = load.load(os.fsencode(file))
    assert set(read.persist) <= {b"/persist"}
    return {one.declaration.path.decode(): one for one in read.placements}


ARTICLE = {
    *("/etc/nixos", "/var/log", "/var/lib/bluetooth", "/var/lib/nixos", "/var/lib/systemd/coredump"),
    *("/etc/NetworkManager/system-connections", "/var/lib/colord"),
    *("/etc/machine-id", "/var/keys/secret_file"),
    *(f"/home/talyz/{name}" for name in ("Downloads", "Music", "Pictures", "Documents", "Videos")),
    *(f"/home/talyz/{name}" for name in ("VirtualBox VMs", ".gnupg", ".ssh", ".nixops", ".screenrc")),
    *(f"/home/talyz/.local/share/{name}" for name in ("keyrings", "direnv")),
}


def article(made: dict[str, Placement]) -> None:
    colord = made["/var/lib/colord"]
    assert (colord.own, colord.hide) == (Ownership("colord", "colord", "u=rwx,g=rx,o="), True)
    assert made["/var/keys/secret_file"].parent.mode == "u=rwx,g=,o="
    assert not made["/var/keys/secret_file"].declaration.directory
    assert made["/home/talyz/.ssh"].own.mode == "0700"
    assert made["/home/talyz/.ssh"].user == "talyz"
    assert made["/home/talyz/.ssh"].home == b"/home/talyz"
    assert made["/home/talyz/VirtualBox VMs"].method == "bind"


def test_impermanence(tmp_path: Path) -> None:
    said = found(IMPERMANENCE, "IMPERMANENCE")
    assert said["assertions"] == []
    made = placements(said["settings"], tmp_path)
    assert set(made) == ARTICLE
    article(made)


def test_ours(tmp_path: Path) -> None:
    said = found(OURS)
    assert said["assertions"] == []
    made = placements(said["settings"], tmp_path)
    assert set(made) == ARTICLE | {"/home/talyz/.local/share/Steam"}
    article(made)
    assert made["/home/talyz/.local/share/Steam"].method == "symlink"
    # What PID 1 and the activation read is early by itself.
    early = {path for path, one in made.items() if one.details.phase == "initrd"}
    assert early == {"/etc/machine-id", "/var/lib/nixos"}


def test_preservation(tmp_path: Path) -> None:
    said = found(PRESERVATION, "PRESERVATION")
    assert said["assertions"] == []
    made = placements(said["settings"], tmp_path)
    assert set(made) == {
        *("/var/log", "/var/lib/nixos", "/var/lib/colord", "/srv/x"),
        *("/etc/machine-id", "/var/keys/secret_file"),
        *(f"/home/talyz/{name}" for name in (".ssh", ".local/share/Steam", ".config/fish", ".screenrc")),
    }
    assert all(one.hide for path, one in made.items() if one.method == "bind" and path != "/home/talyz")
    assert made["/srv/x"].details.options == ("noexec",)
    assert made["/var/lib/colord"].own == Ownership("colord", "colord", "0750")
    assert made["/var/keys/secret_file"].parent.mode == "0700"
    assert made["/var/keys/secret_file"].own.mode == "0600"
    assert {path for path, one in made.items() if one.details.phase == "initrd"} == {
        "/var/lib/nixos",
        "/etc/machine-id",
    }
    assert made["/home/talyz/.local/share/Steam"].method == "symlink"
    assert made["/home/talyz/.local/share/Steam"].details.target


def test_a_home(tmp_path: Path) -> None:
    """In a home the group is null: it is the user's."""
    said = found(HOME_MANAGER, "IMPERMANENCE", "HOME_MANAGER")
    assert said["assertions"] == []
    made = placements(said["settings"], tmp_path)
    assert set(made) == {f"/home/talyz/{name}" for name in (".ssh", "x", ".config/fish/config.fish")}
    assert made["/home/talyz/x"].own == Ownership("talyz", "users", "0700")


def test_our_module_for_a_home(tmp_path: Path) -> None:
    from_checkout = OUR_HOME.replace("ROOT", str(Path(__file__).parents[2]))
    said = found(from_checkout, "HOME_MANAGER")
    assert said["assertions"] == []
    assert set(placements(said["settings"], tmp_path)) == {"/home/talyz/.ssh"}


UNITS = """let found = ((SYSTEMS) [ MODULE ]).config; in {
  toplevel = found.system.build.toplevel.drvPath;
  log = found.systemd.units."var-log.mount".text;
  made = found.systemd.units."impermanence-persist.service".text;
  early = found.boot.initrd.systemd.units."sysroot-etc-machine\\\\x2did.mount".text;
  before = found.boot.initrd.systemd.units."impermanence-persist.service".text;
  commit = found.systemd.units."systemd-machine-id-commit.service".text;
}"""


def test_our_declarations_make_the_mounts() -> None:
    said = evaluated(UNITS.replace("SYSTEMS", systems(modules())).replace("MODULE", OURS))
    assert said["toplevel"].endswith(".drv")
    for line in ("What=/persist/var/log", "Where=/var/log", "Options=bind,x-gvfs-hide"):
        assert line in said["log"].splitlines()
    assert "Requires=impermanence-persist.service" in said["log"]
    assert "Before=local-fs.target umount.target systemd-tmpfiles-setup.service" in said["log"]
    assert "RequiresMountsFor=/persist" in said["made"]
    assert "What=/sysroot/persist/etc/machine-id" in said["early"].splitlines()
    assert "/sysroot/persist" in said["before"]
    assert "ConditionFirstBoot=true" in said["commit"]


PERSIST = 'services.impermanenced.persist."/persist"'

REFUSED: dict[str, tuple[str, tuple[str, ...], str]] = {
    "twice, by two modules": (
        f'{{ environment.persistence."/persist".files = [ "/srv/x" ]; {PERSIST}.files = [ "/srv/x" ]; }}',
        ("IMPERMANENCE",),
        f'/srv/x is declared by {PERSIST} and by environment.persistence."/persist": two mounts',
    ),
    "twice, by one": (
        f'{{ {PERSIST}.directories = [ "/var/log" "/var//log/" ]; }}',
        (),
        f"/var/log is declared twice by {PERSIST}: two mounts would be made at one place.",
    ),
    "a user that nobody is": (
        f'{{ {PERSIST}.users.bob.directories = [ ".ssh" ]; }}',
        (),
        f"{PERSIST}.users.bob: there is no users.users.bob, so the user has neither a home nor a group.",
    ),
    "two dots": (f'{{ {PERSIST}.files = [ "/a/../x" ]; }}', (), f'{PERSIST}: "/a/../x": it has ".." in it'),
    "a newline": (f'{{ {PERSIST}.files = [ "/a\\nb" ]; }}', (), "it has a character that cannot be seen."),
    "the root": (f'{{ {PERSIST}.directories = [ "/" ]; }}', (), f'{PERSIST}: "/": it is the whole root.'),
    "a home": (f'{{ {PERSIST}.users.talyz.directories = [ "." ]; }}', (), "it is the whole home."),
    "what the kernel makes": (
        f'{{ {PERSIST}.directories = [ "/proc/x" ]; }}',
        (),
        "the kernel and systemd make it anew at each boot.",
    ),
    "the volume itself": (
        f'{{ {PERSIST}.directories = [ "/persist/x" ]; }}',
        (),
        "it and the persist volume lie in one another.",
    ),
    "a volume that is a directory of the root": (
        '{ services.impermanenced.persist."/keep".directories = [ "/srv" ]; }',
        (),
        'services.impermanenced.persist."/keep": no fileSystems entry is mounted there, so it is',
    ),
    "a volume that is mounted too late": (
        '{ fileSystems."/persist".neededForBoot = lib.mkForce false; '
        + f'{PERSIST}.files = [ "/etc/machine-id" ]; }}',
        (),
        f"{PERSIST}: /etc/machine-id has to be there before the system starts: set fileSystems.",
    ),
    "a mode that is none": (
        f'{{ {PERSIST}.directories = [ {{ directory = "/x"; mode = "rwx"; }} ]; }}',
        (),
        f'{PERSIST}: "rwx", of /x, is no mode such as 0750 or u=rwx,g=rx,o=.',
    ),
    "an owner with a newline": (
        f'{{ {PERSIST}.directories = [ {{ directory = "/x"; user = "a\\nb"; }} ]; }}',
        (),
        f'{PERSIST}: "a\\nb", of /x, is no name of a user or a group.',
    ),
    "two mount options in one": (
        f'{{ {PERSIST}.directories = [ {{ directory = "/x"; mountOptions = [ "a,b" ]; }} ]; }}',
        (),
        f'{PERSIST}: "a,b", of /x, is no single mount option.',
    ),
    "an early path of a user": (
        f'{{ {PERSIST}.users.talyz.directories = [ {{ directory = ".ssh"; inInitrd = true; }} ]; }}',
        (),
        "is to be there before the system starts, when only root has a name",
    ),
}  # fmt: skip


@functools.cache
def messages() -> dict[str, list[str]]:
    cases = [
        f"{text(name)} = map (one: one.message) (builtins.filter (one: !one.assertion) "
        f"(nixos [ ({{ lib, ... }}: {module}) ]).config.assertions);"
        for name, (module, _, _) in REFUSED.items()
    ]
    nixos = systems(modules("IMPERMANENCE"))
    said: dict[str, list[str]] = evaluated(f"let nixos = {nixos}; in {{ {' '.join(cases)} }}")
    return said


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_words(name: str) -> None:
    assert any(REFUSED[name][2] in message for message in messages()[name]), messages()[name]


def test_a_user_that_only_home_manager_knows() -> None:
    """home-manager itself would say that the attribute is missing."""
    module = HOME_MANAGER.replace("users.talyz", "users.bob")
    nixos = systems(modules("IMPERMANENCE", "HOME_MANAGER"))
    asked = f"map (one: one.assertion) (({nixos}) [ {module} ]).config.assertions"
    result = instantiated(asked)
    assert result.returncode != 0
    last = result.stderr.rpartition("error: ")[2].strip()
    assert last == (
        "home-manager.users.bob: there is no users.users.bob, so the user has neither a home nor a group. "
        "Define the user, or take this one out."
    )
