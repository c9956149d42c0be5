"""The situations of a machine before a boot: how each comes about, and what has to be said of it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from impermanenced.model import Spared
from impermanenced.model import Spared as S
from tests.conftest import sh
from tests.isolation import attach, detach

from .automount import automount
from .machine import Machine


@dataclasses.dataclass(frozen=True)
class Expected:
    """What the next boot does, and the verdicts on some paths; None stands for no entry."""

    action: str = "wiped"
    spared: Spared | None = None
    verdicts: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    faults: int = 0
    typed: bool = False  # the kernel command line of the boot decides


Prepare = Callable[[Machine], Expected]
SITUATIONS: dict[str, Prepare] = {}


def situation(prepare: Prepare) -> Prepare:
    SITUATIONS[prepare.__name__.replace("_", "-")] = prepare
    return prepare


def crud(machine: Machine, *paths: str) -> dict[str, str | None]:
    for path in paths or ("/etc/app.conf",):
        machine.write(path, f"precious {path}")
    return dict.fromkeys(paths or ("/etc/app.conf",), "crud")


# What the next boot does


@situation
def undeclared(machine: Machine) -> Expected:
    found = crud(machine, "/etc/app.conf", "/home/alice/letter.txt", "/var/lib/app/state")
    machine.write("/etc/hostname", "another\n")
    (machine.top / "root/etc/motd").unlink()
    (machine.top / "root/home/alice").chmod(0o700)
    return Expected(verdicts={**found, "/etc/hostname": "crud", "/etc/motd": "crud", "/home/alice": "crud"})


@situation
def nothing_differs(machine: Machine) -> Expected:
    return Expected(verdicts={"/etc/hostname": None})


@situation
def not_set_up(machine: Machine) -> Expected:
    sh("btrfs", "subvolume", "delete", machine.state)
    return Expected("off", S.NOT_SET_UP, crud(machine))


@situation
def record_missing(machine: Machine) -> Expected:
    (machine.state / "rollback.env").unlink()
    return Expected("off", S.NOT_SET_UP, crud(machine))


@situation
def trial(machine: Machine) -> Expected:
    machine.configure("[rollback]\nwipe = false\n")
    machine.set_up()
    return Expected("trial", S.TRIAL, crud(machine))


@situation
def trial_that_was_not_set_up(machine: Machine) -> Expected:
    machine.configure("[rollback]\nwipe = false\n")
    return Expected(verdicts=crud(machine))


@situation
def asked_to_keep(machine: Machine) -> Expected:
    machine.request("keep")
    return Expected("kept", S.ASKED, crud(machine))


@situation
def an_old_root_is_asked_for(machine: Machine) -> Expected:
    machine.write("/etc/of-before", "in the old root")
    machine.write("/etc/in-both", "the same")
    machine.boot()
    machine.request("boot", 0)
    machine.write("/etc/in-both", "the same")
    return Expected("booted", None, {**crud(machine), "/etc/in-both": "regenerated", "/etc/of-before": None})


@situation
def an_old_root_that_is_not_there(machine: Machine) -> Expected:
    machine.request("boot", 7)
    return Expected("refused", S.REFUSED, crud(machine))


def bad_boots(machine: Machine) -> None:
    for number in range(1, 5):
        machine.boot()
        machine.write(f"/etc/life-{number}")
        if number == 1:
            (machine.state / "boots/1.good").touch()


@situation
def bad_boots_end_in_the_last_good_root(machine: Machine) -> Expected:
    bad_boots(machine)
    return Expected("booted", None, {"/etc/life-4": "crud"})


@situation
def held_after_bad_boots(machine: Machine) -> Expected:
    bad_boots(machine)
    machine.boot()
    return Expected("kept", S.HELD, crud(machine))


@situation
def another_root_boots(machine: Machine) -> Expected:
    machine.filesystem.subvolume("other")
    machine.cmdline = "rootflags=subvol=other"
    return Expected("other", S.OTHER, crud(machine), typed=True)


@situation
def a_request_that_cannot_be_understood(machine: Machine) -> Expected:
    (machine.state / "next").write_text("nonsense\n")
    return Expected("refused", S.REFUSED, crud(machine))


@situation
def blank_missing(machine: Machine) -> Expected:
    """The configuration that the hook obeys still names the one that was there when it was set up."""
    found = crud(machine)
    (machine.top / "root-blank").rename(machine.top / "elsewhere")
    machine.configure(volume='blank = "elsewhere"')
    return Expected("refused", S.REFUSED, found)


@situation
def blank_writable(machine: Machine) -> Expected:
    sh("btrfs", "property", "set", "-ts", machine.top / "root-blank", "ro", "false")
    return Expected("refused", S.REFUSED, crud(machine))


@situation
def blank_taken_anew(machine: Machine) -> Expected:
    found = crud(machine)
    sh("btrfs", "subvolume", "delete", machine.top / "root-blank")
    machine.filesystem.snapshot("root", "root-blank", readonly=True)
    machine.write("/etc/later")
    return Expected("refused", S.REFUSED, {**dict.fromkeys(found), "/etc/later": "crud"})


def rework_blank(machine: Machine, change: Callable[[Path], None]) -> None:
    blank = machine.top / "root-blank"
    sh("btrfs", "property", "set", "-ts", blank, "ro", "false")
    change(blank)
    sh("btrfs", "property", "set", "-ts", blank, "ro", "true")


@situation
def blank_without_fstab(machine: Machine) -> Expected:
    rework_blank(machine, lambda blank: (blank / "etc/fstab").unlink())
    return Expected(verdicts={**crud(machine), "/etc/fstab": "crud"})


@situation
def blank_without_modules_of_the_kernel(machine: Machine) -> Expected:
    modules = f"lib/modules/{os.uname().release}"
    (machine.top / "root" / modules).mkdir(parents=True)
    machine.write(f"/{modules}/modules.dep")
    rework_blank(machine, lambda blank: (blank / "lib/modules/6.0.0-old").mkdir(parents=True))
    return Expected("refused", S.REFUSED, crud(machine))


@situation
def required_path_missing(machine: Machine) -> Expected:
    machine.configure('[rollback]\nrequire = ["/usr/lib/systemd/systemd"]\n')
    machine.set_up()
    return Expected("refused", S.REFUSED, crud(machine))


@situation
def no_blank_at_all(machine: Machine) -> Expected:
    machine.configure(volume='blank = ""')
    machine.set_up()
    return Expected(verdicts={"/etc/hostname": "crud", "/persist": "persisted"})


@situation
def hook_cannot_read_its_record(machine: Machine) -> Expected:
    (machine.state / "rollback.env").write_text("nonsense\n")
    return Expected("refused", S.REFUSED, crud(machine))


# What becomes of a path


@situation
def declared_alone(machine: Machine) -> Expected:
    machine.write("/var/lib/app/state.db", "precious")
    machine.write("/etc/machine-id", "0123")
    machine.declare("/var/lib/app", "/etc/machine-id", "/var/lib/nothing-there")
    return Expected(
        verdicts={"/var/lib/app/state.db": "declared", "/etc/machine-id": "declared", "/var/lib/app": None}
    )


@situation
def declared_by_a_drop_in_that_goes(machine: Machine) -> Expected:
    machine.write("/etc/impermanence/config.d/mine.toml", '[persist."/persist"]\nfiles = ["/etc/a"]\n')
    return Expected(verdicts={"/etc/impermanence/config.d/mine.toml": "crud"})


@situation
def bind_mounted(machine: Machine) -> Expected:
    machine.write("/var/lib/app/state.db", "precious", on="persist")
    machine.declare("/var/lib/app")
    machine.bind("/var/lib/app")
    return Expected(verdicts={"/var/lib/app": None, **crud(machine)})


@situation
def bind_mounted_without_a_declaration(machine: Machine) -> Expected:
    machine.write("/srv/data/file", "precious", on="persist")
    machine.bind("/srv/data")
    return Expected(verdicts={"/srv": "persisted", "/srv/data": "persisted"})


@situation
def bind_of_a_file(machine: Machine) -> Expected:
    machine.write("/etc/machine-id", "0123", on="persist")
    machine.declare("/etc/machine-id")
    machine.bind("/etc/machine-id")
    return Expected(verdicts={"/etc/machine-id": "persisted"})


@situation
def bind_of_a_file_over_younger_content(machine: Machine) -> Expected:
    machine.write("/etc/app.key", "old", on="persist", age=100)
    machine.write("/etc/app.key", "new, and written to the volume")
    machine.bind("/etc/app.key")
    return Expected(verdicts={"/etc/app.key": "crud"})


@situation
def file_replaced_over_a_bind(machine: Machine) -> Expected:
    """Where nothing is mounted: in another namespace the name may be replaced, and the mount goes."""
    machine.write("/etc/adjtime", "of the boot before", on="persist", age=100)
    machine.declare("/etc/adjtime")
    machine.bind("/etc/adjtime")
    machine.declare("/etc/adjtime")
    machine.write("/etc/adjtime.new", "of this boot")
    script = 'umount "$0" && mv "$1" "$0"'
    target = machine.root / "etc/adjtime"
    sh("unshare", "--mount", "sh", "-c", script, target, machine.root / "etc/adjtime.new")
    machine.mounts.pop()  # nobody mounts it again: it is found that way by the next boot
    return Expected(verdicts={"/etc/adjtime": "declared"})


@situation
def bind_of_a_deleted_file(machine: Machine) -> Expected:
    machine.write("/etc/app.conf", "as it was", on="persist")
    machine.write("/etc/app.conf", "")
    machine.declare("/etc/app.conf")
    machine.bind("/etc/app.conf")
    (machine.top / "persist/etc/app.conf").unlink()
    (machine.root / "etc/app.conf").write_text("written to what is gone")
    return Expected(verdicts={"/etc/app.conf": "declared"}, faults=1)


@situation
def symlinked(machine: Machine) -> Expected:
    machine.write("/home/alice/.screenrc", "precious", on="persist")
    machine.link("/home/alice/.screenrc", "/persist/home/alice/.screenrc")
    machine.link("/etc/beside", "../persist/home/alice/.screenrc")
    return Expected(verdicts={"/home/alice/.screenrc": "persisted", "/etc/beside": "persisted"})


@situation
def link_chain(machine: Machine) -> Expected:
    machine.write("/a/file", "precious", on="persist")
    machine.link("/etc/third", "/persist/a/file")
    machine.link("/etc/second", "third")
    machine.link("/etc/first", "../etc/./second")
    machine.link("/home/alice/through", "/etc/way/file")
    machine.link("/etc/way", "/persist/a")
    return Expected(
        verdicts=dict.fromkeys(
            ("/etc/first", "/etc/second", "/etc/third", "/etc/way", "/home/alice/through"), "persisted"
        )
    )


@situation
def links_that_lead_nowhere(machine: Machine) -> Expected:
    machine.link("/etc/circle", "other-half")
    machine.link("/etc/other-half", "circle")
    machine.link("/etc/itself", "itself/x")
    machine.link("/etc/inside", "/var/lib/app")
    machine.link("/etc/up", "../../../../../persist/../etc/hostname")
    paths = ("/etc/circle", "/etc/other-half", "/etc/itself", "/etc/inside", "/etc/up")
    return Expected(verdicts=dict.fromkeys(paths, "crud"))


@situation
def link_into_a_persist_volume_that_is_not_mounted(machine: Machine) -> Expected:
    """The persist volume is a directory of the root: it goes, with all that leads there."""
    sh("umount", machine.root / "persist")
    machine.mounts.clear()
    machine.write("/persist/file", "precious")
    machine.link("/etc/link", "/persist/file")
    return Expected(verdicts={"/persist/file": "crud", "/etc/link": "crud"}, faults=1)


@situation
def persist_inside_the_volume(machine: Machine) -> Expected:
    """It is mounted from the root itself, and so is what is declared."""
    sh("umount", machine.root / "persist")
    machine.mounts.clear()
    machine.write("/persist/var/lib/app/state.db", "precious")
    machine.declare("/var/lib/app")
    sh("mount", "--bind", machine.root / "persist/var/lib/app", machine.root / "var/lib/app")
    machine.aliases["/var/lib/app"] = "/persist/var/lib/app"
    return Expected(verdicts={"/persist/var/lib/app/state.db": "crud"}, faults=1)


@situation
def hidden_copy(machine: Machine) -> Expected:
    machine.write("/var/lib/app/state.db", "precious", age=100)
    sh("cp", "-a", "--parents", "var/lib/app", machine.top / "persist", cwd=machine.top / "root")
    machine.declare("/var/lib/app")
    machine.bind("/var/lib/app")
    return Expected(verdicts={"/var/lib/app/state.db": "hidden"})


@situation
def hidden_copy_without_its_time(machine: Machine) -> Expected:
    machine.write("/var/lib/app/state.db", "precious")
    machine.write("/var/lib/app/state.db", "precious", on="persist", age=100)
    machine.bind("/var/lib/app")
    return Expected(verdicts={"/var/lib/app/state.db": "hidden"})


@situation
def hidden_copy_on_another_filesystem(machine: Machine) -> Expected:
    """What is mounted from another device is looked up by its path."""
    machine.write("/var/lib/app/state.db", "precious", age=100)
    machine.write("/var/lib/app/early.log", "written before the mount")
    image = machine.filesystem.directory / "ext4.img"
    with open(image, "wb") as stream:
        stream.truncate(16 << 20)
    sh("mkfs.ext4", "-q", "-d", machine.top / "root/var/lib/app", image)
    device = attach(image)
    machine.fuses.append(lambda: detach(device, image))
    machine.mount("/var/lib/app", lambda where: ext4(device, where))
    (machine.root / "var/lib/app/early.log").unlink()
    return Expected(verdicts={"/var/lib/app/state.db": "hidden", "/var/lib/app/early.log": "crud"})


def ext4(device: str, where: Path) -> None:
    sh("mount", "-t", "ext4", device, where)


@situation
def hidden_copy_that_is_stale(machine: Machine) -> Expected:
    machine.write("/var/lib/app/state.db", "as it was moved", age=100)
    machine.write("/var/lib/app/state.db", "as it went on", on="persist")
    machine.bind("/var/lib/app")
    return Expected(verdicts={"/var/lib/app/state.db": "hidden"})


@situation
def hidden_and_younger(machine: Machine) -> Expected:
    machine.write("/var/lib/app/state.db", "of the boot before", on="persist", age=100)
    machine.write("/var/lib/app/state.db", "written before the mount")
    machine.bind("/var/lib/app")
    return Expected(verdicts={"/var/lib/app/state.db": "crud"})


@situation
def hidden_and_lacking(machine: Machine) -> Expected:
    machine.write("/var/lib/app/early.log", "written before the mount")
    machine.write("/var/lib/app/of-another-type", "a file")
    (machine.top / "persist/var/lib/app/of-another-type").mkdir(parents=True)
    machine.bind("/var/lib/app")
    paths = ("/var/lib/app/early.log", "/var/lib/app/of-another-type")
    return Expected(verdicts=dict.fromkeys(paths, "crud"))


def tmpfs(where: Path) -> None:
    sh("mount", "-t", "tmpfs", "none", where)


@situation
def hidden_under_a_tmpfs(machine: Machine) -> Expected:
    machine.write("/tmp/precious", "written before the mount")

    machine.mount("/tmp", tmpfs, passing=True)
    (machine.root / "tmp/precious").write_text("written before the mount")
    return Expected(verdicts={"/tmp/precious": "crud"})


@situation
def tmpfs_mounted(machine: Machine) -> Expected:
    machine.mount("/tmp", tmpfs, passing=True)
    (machine.root / "tmp/x").write_text("nobody expects it to persist")
    return Expected(verdicts={"/tmp": None, "/tmp/x": None})


@situation
def ignored(machine: Machine) -> Expected:
    machine.configure('[watch]\nignore = ["*.swp"]\n')
    machine.write("/home/alice/.x.swp")
    return Expected(verdicts={"/home/alice/.x.swp": "ignored"})


@situation
def ignored_beneath_a_mount(machine: Machine) -> Expected:
    machine.configure('[watch]\nignore = ["*.swp"]\n')
    machine.write("/var/lib/app/.x.swp")
    machine.bind("/var/lib/app", "persist")
    return Expected(verdicts={"/var/lib/app/.x.swp": "ignored"})


@situation
def regenerated(machine: Machine) -> Expected:
    (machine.top / "root/var/lib/empty").mkdir()
    return Expected(verdicts={"/var/lib/empty": "regenerated"})


@situation
def nested_subvolume(machine: Machine) -> Expected:
    machine.filesystem.subvolume("root/var/lib/machines")
    machine.write("/var/lib/machines/inner", "precious")
    return Expected(verdicts={"/var/lib/machines": "crud"})


@situation
def subvolume_mounted_from_beside(machine: Machine) -> Expected:
    machine.filesystem.subvolume("log")
    machine.write("/journal", "precious", on="log")
    machine.bind("/var/log", "log")
    return Expected(verdicts={"/var/log": None})


@situation
def automount_that_nobody_entered(machine: Machine) -> Expected:
    machine.write("/mnt/beneath", "written before the mount")
    machine.link("/etc/into", "/mnt/share")
    machine.mount("/mnt", lambda where: machine.fuses.append(automount(where)), passing=True)
    return Expected(verdicts={"/mnt/beneath": "crud", "/etc/into": "crud", "/mnt": None})


@situation
def two_volumes(machine: Machine) -> Expected:
    home = machine.filesystem.subvolume("home")
    machine.filesystem.snapshot("home", "home-blank", readonly=True)
    (home / "alice").mkdir()
    machine.write("/alice/letter.txt", "precious", on="home")
    machine.mount("/home", machine.mount_home)
    more = f'[[volume]]\nmountpoint = "{machine.root}/home"\npath = "/home"\n'
    machine.configure('[persist."/persist"]\n', more=more)
    machine.set_up()
    machine.link("/etc/letter", "/home/alice/letter.txt")
    return Expected(verdicts={"/home/alice/letter.txt": "crud", "/etc/letter": "crud", **crud(machine)})


@situation
def bind_from_another_volume(machine: Machine) -> Expected:
    """What is mounted from a volume that is rolled back goes with it."""
    two_volumes(machine)
    machine.write("/alice/data/file", "precious", on="home")
    machine.bind("/srv/data", "home/alice/data")
    return Expected(verdicts={"/home/alice/data/file": "crud", "/srv/data": "regenerated"})
