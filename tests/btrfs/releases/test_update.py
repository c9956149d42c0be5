"""An update in the next release: a real dpkg and apt, packages made here, and no network."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from impermanenced.boots import setup
from impermanenced.releases import bootable
from impermanenced.report.report import Manager
from tests.btrfs.boots.machine import Machine
from tests.btrfs.cli.test_doctor_kernels import HOOK, archive
from tests.conftest import Filesystem, sh
from tests.isolation import wait_until
from tests.schema import checked
from tests.shell.hook import REPOSITORY, Initrd, uuid_of

from . import debian
from .debian import CACHE, package, publish

RELEASES = ("998.0-old", "999.0-new")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("debian")
    debian.plant(tree)
    return tree


@pytest.fixture
def machine(filesystem: Filesystem, tmp_path: Path, planted: Path) -> Machine:
    root = filesystem.subvolume("root")
    sh("cp", "-a", f"{planted}/.", root)
    filesystem.snapshot("root", "root-blank", readonly=True)
    persist = filesystem.subvolume("persist")
    (persist / "mine").write_text("kept\n")
    mountpoint = filesystem.mount(tmp_path / "root", "subvol=root")
    config = tmp_path / "config.toml"
    config.write_text(f'[[volume]]\nmountpoint = "{mountpoint}"\npath = "/"\n')
    with Manager(os.fsencode(config)) as manager:
        setup.run(manager.config, manager.machine, dry_run=False)
    return Machine(filesystem, Initrd(tmp_path, filesystem.device), config, mountpoint)


@pytest.fixture
def debs(tmp_path: Path) -> Path:
    (tmp_path / "debs").mkdir()
    return tmp_path / "debs"


def fetched(machine: Machine, *packages: Path) -> list[str]:
    """Packages as they lie among the downloads, and their paths in the system."""
    for file in packages:
        shutil.copy2(file, machine.root / CACHE)
    return [f"/{CACHE}/{file.name}" for file in packages]


def everything(machine: Machine) -> str:
    """What must be as it was: the blank and its record, and the system that runs."""
    skipped = [
        "-path",
        f"*/{CACHE}*",
        "-o",
        "-path",
        "*/root-blank@1*",
        "-o",
        "-path",
        "*/releases*",
        "-o",
        "-path",
        "*/apt/lists*",
        "-o",
        "-name",
        "staging",
    ]
    top = machine.filesystem.top
    names = sh("find", top, "(", *skipped, ")", "-prune", "-o", "-printf", "%p %i %s %m %C@\n")
    return names + (machine.state / "rollback.env").read_text() + uuid_of(top / "root-blank")


def unchanged(machine: Machine, *argv: str) -> str:
    machine.say("blank", "create")  # its records are there
    before = everything(machine)
    result = machine.run("update", *argv)
    assert result.returncode == 1, result.stdout + result.stderr
    assert everything(machine) == before
    lines = [line for line in result.stderr.splitlines() if line.startswith(("impermanence: ", "hint: "))]
    assert len(lines) == 2, result.stderr
    return lines[0]


def update(machine: Machine, *argv: str) -> Any:
    result = machine.run("update", "--json", *argv)
    assert result.returncode == 0, result.stderr
    return checked("update", result.stdout)


def installed(machine: Machine) -> dict[str, str]:
    said = sh(
        "dpkg-query", f"--admindir={machine.root}/var/lib/dpkg", "-Wf", "${Package} ${Version} ${Status}\n"
    )
    lines = [line.split() for line in said.splitlines()]
    return {words[0]: words[1] for words in lines if words[-1] == "installed"}


def test_a_package_comes_with_the_next_boot_and_no_crud(machine: Machine, debs: Path) -> None:
    files = fetched(machine, package(debs, "hello", postinst="test ! -e /crud; echo made > /etc/made"))
    (machine.root / "crud").touch()
    done = update(machine, "--", "dpkg", "--install", *files)
    assert done["packages"] == [{"name": "hello:all", "before": None, "after": "1"}]
    assert installed(machine) == {}
    assert not (machine.root / "etc/made").exists()
    assert machine.boot().result.action == "wiped"
    assert installed(machine) == {"hello": "1"}
    assert (machine.root / "etc/made").read_text() == "made\n"
    assert not (machine.root / "crud").exists()
    assert not (machine.root / "usr/sbin/policy-rc.d").exists()
    assert not list((machine.root / CACHE).glob("*.deb"))
    assert "dpkg --install" in machine.say("blank")


def test_the_distributions_update(machine: Machine, debs: Path) -> None:
    old = fetched(machine, package(debs, "hello"))
    update(machine, "--", "dpkg", "--install", *old)
    publish(machine.root, package(debs, "hello", "2"))
    done = update(machine)
    assert done["packages"] == [{"name": "hello:all", "before": "1", "after": "2"}]
    assert done["commands"][0][0] == "apt-get"
    machine.boot()
    assert installed(machine) == {"hello": "2"}
    publish(machine.root)
    number = done["release"]["number"]
    again = update(machine)
    assert (again["release"], again["notes"]) == (None, ["nothing was different"])
    assert checked("releases", machine.say("blank", "--json"))["releases"][0]["number"] == number


def test_a_script_that_fails(machine: Machine, debs: Path) -> None:
    files = fetched(machine, package(debs, "bad", postinst="exit 1"))
    assert "dpkg --install" in unchanged(machine, "--", "dpkg", "--install", *files)


def test_a_command_that_is_not_there(machine: Machine) -> None:
    assert "nope is no program of the blank" in unchanged(machine, "--", "nope", "x")


def test_a_full_disk(machine: Machine) -> None:
    said = unchanged(machine, "--", "dd", "if=/dev/zero", "of=/var/big", "bs=1M")
    assert "failed with status 1" in said
    machine.filesystem.sync()
    update(machine, "--", "touch", "/var/small")
    assert machine.boot().result.action == "wiped"
    assert (machine.root / "var/small").exists()


def test_no_network(machine: Machine) -> None:
    sources = machine.root / "etc/apt/sources.list"
    sources.write_text("deb [trusted=yes] http://127.0.0.1:9/ ./\n")
    machine.say("blank", "create", "/etc/apt/sources.list")
    machine.boot()
    assert "failed with status 100" in unchanged(machine)


def test_no_package_manager(machine: Machine) -> None:
    machine.say("update", "--", "rm", "/usr/bin/apt-get")
    assert "has none of apt-get" in unchanged(machine)


def test_a_package_manager_that_is_running(machine: Machine) -> None:
    lock = machine.root / "var/lib/dpkg/lock-frontend"
    lock.touch()
    with open(lock, "r+b") as stream:
        fcntl.lockf(stream, fcntl.LOCK_EX)
        assert "a package manager is at work" in unchanged(machine, "--", "touch", "/x")
    machine.say("update", "--", "touch", "/x")


def test_killed_in_the_middle(machine: Machine) -> None:
    script = "import sys; from impermanenced.cli.main import command; sys.exit(command())"
    argv = [sys.executable, "-c", script, "--config", str(machine.config), "update", "--", "sh", "-c"]
    before = uuid_of(machine.filesystem.top / "root-blank")
    process = subprocess.Popen([*argv, "echo half > /half; exec sleep 100"], cwd="/")
    half = machine.state / "staging/blank.next/half"
    wait_until(half.exists)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert uuid_of(machine.filesystem.top / "root-blank") == before
    wait_until(lambda: not sh("sh", "-c", "pgrep -f 'exec [s]leep 1[0]0' || true"))
    machine.say("update", "--", "touch", "/whole")
    assert machine.boot().result.action == "wiped"
    assert (machine.root / "whole").exists()
    assert not (machine.root / "half").exists()


def test_what_is_left_of_a_power_cut(machine: Machine) -> None:
    """The hook finds a half-made release, puts it away, and wipes."""
    top = machine.filesystem.top
    machine.say("blank", "create")
    sh("btrfs", "subvolume", "snapshot", top / "root-blank", machine.state / "staging/blank.next")
    (machine.state / "staging/blank.next/half").touch()
    assert machine.boot().result.action == "wiped"
    machine.say("update", "--", "touch", "/whole")
    machine.boot()
    assert (machine.root / "whole").exists()


def test_it_sees_what_it_needs_and_nothing_of_it_stays(machine: Machine, tmp_path: Path) -> None:
    filesystem = machine.filesystem
    (machine.root / "persist").mkdir()
    filesystem.mount(machine.root / "persist", "subvol=persist")
    with machine.config.open("a") as stream:
        stream.write('[persist."/persist"]\ndirectories = ["/var/lib/thing"]\n')
    (machine.root / "etc/resolv.conf").write_text("nameserver 192.0.2.1\n")
    script = (
        "test -e /proc/self/status && test -e /dev/null && test -e /persist/mine && "
        "test ! -e /run/systemd && "
        "! touch /persist/new 2>/dev/null && touch /run/x /tmp/x && echo $IMPERMANENCE_UPDATE > /var/seen"
    )
    mounts = Path("/proc/self/mountinfo").read_text()
    update(machine, "--", "sh", "-ec", script)
    assert Path("/proc/self/mountinfo").read_text() == mounts
    blank = filesystem.top / "root-blank"
    assert (blank / "var/seen").read_text() == "1\n"
    assert not list((blank / "run").iterdir()) + list((blank / "tmp").iterdir())
    assert not (filesystem.top / "persist/new").exists()
    filesystem.umount(machine.root / "persist")


def test_a_dry_run(machine: Machine, debs: Path) -> None:
    files = fetched(machine, package(debs, "hello"))
    before = uuid_of(machine.filesystem.top / "root-blank")
    said = machine.run("update", "--dry-run", "--", "dpkg", "--install", *files).stdout
    assert "+ hello:all 1" in said and "nothing was changed" in said
    assert uuid_of(machine.filesystem.top / "root-blank") == before
    assert not list(machine.filesystem.top.glob("root-blank@*"))


# What the report says until the next boot


def losses(machine: Machine) -> dict[str, str]:
    document = checked("status", machine.say("status", "--json"))
    assert document["next_boot"]["action"] == "wiped"
    return {one["path"]: one["verdict"] for one in document["entries"]}


def test_an_update_is_no_loss(machine: Machine, debs: Path) -> None:
    machine.boot()
    (machine.root / "srv").mkdir()
    (machine.root / "srv/mine").write_text("x")
    before = losses(machine)
    assert "/srv" in before or "/srv/mine" in before
    update(machine, "--", "dpkg", "--install", *fetched(machine, package(debs, "hello")))
    others = ("/srv", "/var/cache", "/var/lib/apt")  # what was there before, and the downloads
    assert not [path for path in losses(machine) if not path.startswith(others)]


def test_what_is_repeated_is_no_loss_any_more(machine: Machine, debs: Path) -> None:
    machine.boot()
    live_dpkg(machine, "--install", *fetched(machine, package(debs, "hello")))
    assert "/usr/share/hello/version" in losses(machine) or "/usr/share/hello" in losses(machine)
    update(machine, "--same")
    assert not [path for path in losses(machine) if "hello" in path and "/archives/" not in path]


# Noticed where it is installed


def test_what_is_installed_here_is_noticed(machine: Machine, debs: Path) -> None:
    assert machine.say("update", "--notice") == ""
    live_dpkg(machine, "--install", *fetched(machine, *(package(debs, f"p{number}") for number in range(7))))
    said = machine.say("update", "--notice")
    assert said.count("\n") == 1
    assert (
        "not as in the blank: p0, p1, p2, p3, p4 and 2 more" in said and "impermanence update --same" in said
    )
    update(machine, "--same")
    assert machine.say("update", "--notice") == ""
    machine.config.write_text("nonsense")
    assert machine.say("update", "--notice") == ""


@pytest.mark.parametrize("program", ["dpkg", "apt-get"])
def test_the_hook_of_the_package_manager(machine: Machine, debs: Path, program: str) -> None:
    """It runs in the live system, and in a release it says nothing."""
    hook = (REPOSITORY / "packaging/apt/90impermanence").read_text()
    program_here = machine.root / "usr/bin/impermanence"
    program_here.write_text("#!/bin/sh\necho called $* >> /var/called\n")
    program_here.chmod(0o755)
    (machine.root / "etc/apt/apt.conf.d/90impermanence").write_text(hook)
    publish(machine.root, package(debs, "hello"))
    if program == "dpkg":
        live_dpkg(machine, "--install", f"/{CACHE}/repository/hello_1_all.deb")
        assert not (machine.root / "var/called").exists()  # dpkg alone has no hooks for that
        return
    sh("chroot", machine.root, "apt-get", "update")
    sh("chroot", machine.root, "apt-get", "--yes", "install", "hello")
    assert (machine.root / "var/called").read_text() == "called update --notice\n"


# /etc


def write(path: Path, changes: dict[int, str]) -> None:
    lines = [changes.get(number, f"line {number}") for number in range(20)]
    path.write_text("".join(f"{line}\n" for line in lines))


def by_update(changes: dict[int, str]) -> list[str]:
    lines = "".join(f"{changes.get(number, f'line {number}')}\\n" for number in range(20))
    return ["--", "sh", "-ec", f"printf '{lines}' > /etc/settings"]


def test_etc_that_both_have_changed_is_merged(machine: Machine) -> None:
    write(machine.root / "etc/settings", {2: "mine"})
    (machine.root / "etc/alone").touch()
    done = update(machine, *by_update({15: "theirs"}))
    outcomes = {one["path"]: one["outcome"] for one in done["etc"]}
    assert outcomes == {"/etc/settings": "merged", "/etc/alone": "lost"}
    machine.boot()
    text = (machine.root / "etc/settings").read_text()
    assert "mine\n" in text and "theirs\n" in text and "line 2\n" not in text
    assert not (machine.root / "etc/alone").exists()


@pytest.mark.parametrize("side", ["mine", "new"])
def test_a_conflict_in_etc_is_shown_and_can_be_decided(machine: Machine, side: str) -> None:
    write(machine.root / "etc/settings", {3: "mine"})
    argv = by_update({3: "new"})
    assert "not to be merged: /etc/settings" in unchanged(machine, *argv)
    update(machine, "--etc", side, *argv)
    machine.boot()
    assert f"{side}\n" in (machine.root / "etc/settings").read_text()


def test_an_update_of_what_is_declared_is_hidden(machine: Machine) -> None:
    filesystem = machine.filesystem
    (filesystem.top / "persist/settings").write_text("kept\n")
    sh("mount", "--bind", filesystem.top / "persist/settings", machine.root / "etc/settings")
    try:
        done = update(machine, *by_update({3: "new"}))
    finally:
        sh("umount", machine.root / "etc/settings")
    assert {"path": "/etc/settings", "outcome": "hidden"} in done["etc"]
    assert (filesystem.top / "persist/settings").read_text() == "kept\n"


# /boot


def with_kernels(machine: Machine, tmp_path: Path) -> None:
    """An old kernel with its initrd and modules, in the root and in the blank."""
    root = machine.root
    (root / "boot/grub").mkdir(parents=True)
    initrd = archive(tmp_path, HOOK)
    kernel(root, RELEASES[0], initrd)
    (root / "usr/lib/modules" / os.uname().release).mkdir()  # or the hook would refuse each boot
    (root / "boot/grub/grub.cfg").write_text(
        f"linux /root/boot/vmlinuz-{RELEASES[0]} rootflags=subvol=root\n"
    )
    (root / "vmlinuz").symlink_to(f"boot/vmlinuz-{RELEASES[0]}")
    machine.say("blank", "create", "/boot", "/usr/lib/modules", "/vmlinuz")
    machine.boot()


def kernel(root: Path, release: str, initrd: bytes) -> None:
    (root / f"boot/vmlinuz-{release}").write_text(release)
    (root / f"boot/initrd.img-{release}").write_bytes(initrd)
    (root / "usr/lib/modules" / release).mkdir(parents=True)
    (root / "usr/lib/modules" / release / "module.ko").write_text(release)


def kernel_package(debs: Path, tmp_path: Path, *, hook: bool = True, modules: bool = True) -> Path:
    menu = (
        f"echo 'linux /.impermanence/staging/blank.next/boot/vmlinuz-{RELEASES[1]} "
        "rootflags=subvol=.impermanence/staging/blank.next' > /boot/grub/grub.cfg\n"
        f"ln -sf boot/vmlinuz-{RELEASES[1]} /vmlinuz"
    )
    made = package(debs, "linux-new", files={f"boot/vmlinuz-{RELEASES[1]}": "new"}, postinst=menu)
    tree = debs / "tree-linux-new-1"
    (tree / f"boot/initrd.img-{RELEASES[1]}").write_bytes(archive(tmp_path, *([HOOK] if hook else [])))
    if modules:
        (tree / "usr/lib/modules" / RELEASES[1]).mkdir(parents=True)
        (tree / "usr/lib/modules" / RELEASES[1] / "module.ko").write_text("new")
    sh("dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, made)
    return made


def test_a_new_kernel_is_brought_along_and_taken_back(machine: Machine, debs: Path, tmp_path: Path) -> None:
    with_kernels(machine, tmp_path)
    files = fetched(machine, kernel_package(debs, tmp_path))
    done = update(machine, "--", "dpkg", "--install", *files)
    assert done["kernel"] == RELEASES[1]
    live = machine.root
    assert (live / f"boot/vmlinuz-{RELEASES[1]}").read_text() == "new"
    assert (live / "boot/grub/grub.cfg").read_text() == (
        f"linux /root/boot/vmlinuz-{RELEASES[1]} rootflags=subvol=root\n"
    )
    assert (live / f"usr/lib/modules/{RELEASES[1]}/module.ko").exists()  # for a root that is kept
    assert (live / "vmlinuz").readlink().name == f"vmlinuz-{RELEASES[1]}"
    assert installed(machine) == {}
    machine.boot()
    assert installed(machine) == {"linux-new": "1"}
    back = checked("blank_change", machine.say("blank", "revert", "-1", "--json"))
    assert back["kernel"] == RELEASES[0]
    assert back["findings"] == []
    assert f"/boot/vmlinuz-{RELEASES[1]}" in [one["path"] for one in back["removed"]]
    assert sorted(one["path"] for one in back["brought"]) == ["/boot/grub/grub.cfg", "/vmlinuz"]
    assert (live / "vmlinuz").readlink().name == f"vmlinuz-{RELEASES[0]}"
    assert not (live / f"boot/vmlinuz-{RELEASES[1]}").exists()
    assert RELEASES[0] in (live / "boot/grub/grub.cfg").read_text()


@pytest.mark.parametrize("another", [True, False])
def test_the_kernel_that_runs_goes(tmp_path: Path, another: bool) -> None:
    """A release without it is warned of only where no other kernel would boot."""
    running = os.uname().release
    live, blank, release = (tmp_path / name for name in ("live", "blank", "release"))
    for root, names in (
        (live, [running, RELEASES[0]]),
        (blank, [running, RELEASES[0]]),
        (release, [RELEASES[0]] if another else []),
    ):
        (root / "boot").mkdir(parents=True)
        (root / "usr/lib/modules/0").mkdir(parents=True)
        for name in names:
            kernel(root, name, archive(tmp_path, HOOK))
    found = list(bootable.modules(*map(os.fsencode, (live, blank, release))))
    assert [one.severity for one in found if running in one.what] == ([] if another else ["error"])


@pytest.mark.parametrize(
    ("lacks", "words"), [("hook", "has no hook"), ("modules", f"no modules for {RELEASES[1]}")]
)
def test_a_kernel_that_could_not_boot(
    machine: Machine, debs: Path, tmp_path: Path, lacks: str, words: str
) -> None:
    with_kernels(machine, tmp_path)
    made = kernel_package(debs, tmp_path, hook=lacks != "hook", modules=lacks != "modules")
    assert words in unchanged(machine, "--", "dpkg", "--install", *fetched(machine, made))


def moved_boot(machine: Machine) -> Path:
    """Move what is in /boot to a subvolume that can be mounted there, and return where that lies."""
    own = machine.filesystem.subvolume("boot")
    sh("cp", "-a", f"{machine.root}/boot/.", own)
    for path in (machine.root / "boot").iterdir():
        sh("rm", "-r", path)
    return own


def test_a_boot_of_its_own(machine: Machine, debs: Path, tmp_path: Path) -> None:
    """The update works on a copy; an update that fails leaves it alone."""
    filesystem = machine.filesystem
    with_kernels(machine, tmp_path)
    own = moved_boot(machine)
    machine.say(
        "blank",
        "create",
        "/boot/grub",
        *(f"/boot/{kind}-{RELEASES[0]}" for kind in ("vmlinuz", "initrd.img")),
    )
    filesystem.mount(machine.root / "boot", "subvol=boot")
    assert machine.run("update", "--", "sh", "-ec", "rm -r /boot/grub; exit 1").returncode == 1
    assert (own / "grub/grub.cfg").exists()
    files = fetched(machine, kernel_package(debs, tmp_path))
    done = update(machine, "--", "sh", "-ec", f"dpkg --install {files[0]}; rm /boot/vmlinuz-{RELEASES[0]}")
    assert (own / f"vmlinuz-{RELEASES[1]}").read_text() == "new"
    assert not (own / f"vmlinuz-{RELEASES[0]}").exists()
    assert "subvol=root\n" in (own / "grub/grub.cfg").read_text()
    assert done["kernel"] == RELEASES[1]
    filesystem.umount(machine.root / "boot")


def test_a_boot_of_its_own_that_the_first_blank_never_had(
    machine: Machine, debs: Path, tmp_path: Path
) -> None:
    """A set-up leaves what is mounted out of the blank; to go back to that takes no kernel away."""
    filesystem = machine.filesystem
    with_kernels(machine, tmp_path)
    own = moved_boot(machine)
    machine.say("blank", "create", *(f"/boot/{name}" for name in os.listdir(own)))
    filesystem.mount(machine.root / "boot", "subvol=boot")
    there = sorted(os.listdir(own))
    update(machine, "--", "touch", "/etc/updated")
    back = checked("blank_change", machine.say("blank", "revert", "-1", "--json"))
    assert (back["brought"], back["removed"], sorted(os.listdir(own))) == ([], [], there)
    update(machine, "--", "dpkg", "--install", *fetched(machine, kernel_package(debs, tmp_path)))
    there = sorted(os.listdir(own))
    said = machine.run("blank", "revert", str(back["release"]["number"]))
    assert f"no modules for {RELEASES[1]}, the kernel that boots next" in said.stderr
    assert sorted(os.listdir(own)) == there
    filesystem.umount(machine.root / "boot")


# --same and --live


def live_dpkg(machine: Machine, *argv: str) -> None:
    sh("chroot", machine.root, "dpkg", *argv)


def test_what_was_installed_here_is_repeated(machine: Machine, debs: Path) -> None:
    old = fetched(machine, package(debs, "old"), package(debs, "gone"))
    update(machine, "--", "dpkg", "--install", *old)
    machine.boot()
    (machine.root / CACHE).mkdir(parents=True, exist_ok=True)
    made = fetched(machine, package(debs, "old", "1:2~rc"), package(debs, "new"))
    live_dpkg(machine, "--install", *made)
    live_dpkg(machine, "--remove", "gone")
    now = installed(machine)
    (machine.root / "crud").touch()
    done = update(machine, "--same")
    assert [one["name"] for one in done["packages"]] == ["gone:all", "new:all", "old:all"]
    machine.boot()
    assert installed(machine) == now == {"old": "1:2~rc", "new": "1"}
    assert not (machine.root / "crud").exists()
    assert update(machine, "--same")["notes"] == ["nothing was different"]


def test_what_was_not_kept_comes_by_apt(machine: Machine, debs: Path) -> None:
    made = package(debs, "new")
    publish(machine.root, made)
    sh("chroot", machine.root, "apt-get", "update")
    sh("chroot", machine.root, "apt-get", "--yes", "install", "new")
    done = update(machine, "--same")
    assert done["notes"] == ["from the network, since it was not kept: new:all"]
    machine.boot()
    assert installed(machine) == {"new": "1"}


def test_live_too(machine: Machine) -> None:
    """The same command runs in the system that runs; of a test that is this machine's own."""
    here = machine.filesystem.directory / "here"
    script = f'if [ "$IMPERMANENCE_UPDATE" ]; then touch /var/inside; else touch {here}; fi'
    said = machine.run("update", "--live", "--", "sh", "-ec", script)
    assert said.returncode == 0, said.stderr
    assert here.exists()
    assert (machine.filesystem.top / "root-blank/var/inside").exists()
    said = machine.run("update", "--live", "--", "sh", "-ec", f"{script[:-4]}; exit 3; fi")
    assert (said.returncode, "in the running system" in said.stderr) == (1, True)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("update", "--same", "--", "x"), "--same takes no command"),
        (("update", "--live", "--dry-run"), "--live cannot be tried"),
        (("update", "--etc", "miine"), "it is mine or new"),
    ],
)
def test_bad_input(machine: Machine, argv: tuple[str, ...], words: str) -> None:
    assert words in machine.refused(2, *argv)
