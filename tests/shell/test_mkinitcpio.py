"""The hooks of mkinitcpio: an image built through its functions, and the wipe in that image alone.

mkinitcpio is not in Debian: `FUNCTIONS` keeps to the interface of its functions (a name is looked up on
PATH and must be there, libraries come along, a link brings its target) and `run_hookfunctions` is what its
init does with a hook.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import Filesystem, sh
from tests.shell.handed import compile_into
from tests.shell.hook import INITRD, INSTALLED, System, built

CORE = "usr/lib/impermanence"
UNITS = "usr/lib/systemd/system"

FUNCTIONS = r"""
declare -A _addedmodules
add_dir() { mkdir -p "$BUILDROOT$1"; }
add_file() {
    local src=$1 dest=${2:-$1}
    [[ -f $src ]] || { echo "file not found: $src" >&2; return 1; }
    add_dir "${dest%/*}"
    cp --remove-destination --preserve=mode -L "$src" "$BUILDROOT$dest"
    echo "file $dest" >>"$RECORD"
}
add_symlink() { add_dir "${1%/*}"; ln -sfn "$2" "$BUILDROOT$1"; echo "symlink $1" >>"$RECORD"; }
add_binary() {
    local binary=$1 library
    [[ $binary == /* ]] || binary=$(type -P "$1") || { echo "binary not found: $1" >&2; return 1; }
    add_file "$binary" "${2:-$binary}" || return 1
    for library in $(ldd "$binary" 2>/dev/null | grep -o '/[^ ]*'); do
        [[ -e $BUILDROOT$library ]] || add_file "$library"
    done
}
add_module() { echo "module $1" >>"$RECORD"; }
add_runscript() {
    local name=${BASH_SOURCE[1]##*/}
    add_file "/usr/lib/initcpio/hooks/$name" "/hooks/$name"
    chmod 755 "$BUILDROOT/hooks/$name"
}
"""

INIT = r"""#!/usr/bin/ash
export PATH=/usr/local/sbin:/usr/local/bin:/usr/bin
err() { echo "ERROR: $*"; }
msg() { :; }
launch_interactive_shell() { echo "a shell"; }
. /config
run_hookfunctions() {
    local hook fn=$1 desc=$2
    shift 2
    for hook in "$@"; do
        [ -x "/hooks/$hook" ] || continue
        unset "$fn"
        . "/hooks/$hook"
        type "$fn" >/dev/null || continue
        "$fn"
    done
}
run_hookfunctions run_hook hook $HOOKS
if [ -f /late ]; then
    mount -t btrfs -o ro,subvol=root "$(cat /late)" /sysroot
    run_hookfunctions run_latehook latehook $HOOKS
    cat /sysroot/etc/machine-id
fi
echo "went on"
"""


@dataclass
class Image:
    """What mkinitcpio would pack, as a directory that a test can boot in."""

    installed: Path
    root: Path
    record: Path

    def build(self, hook: str) -> list[str]:
        """Run build() of an install hook as mkinitcpio does, with our files where a package has them."""
        for name in ("proc", "sys", "dev", "run", "tmp", "etc", "hooks", "usr/bin", "usr/lib", "sysroot"):
            (self.root / name).mkdir(parents=True)
        links = {"bin": "usr/bin", "sbin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib"}
        for name, target in {**links, "usr/sbin": "bin", "usr/lib64": "lib"}.items():
            (self.root / name).symlink_to(target)
        script = (
            f"{FUNCTIONS}\n. /usr/lib/initcpio/install/{hook}\n"
            f"build || exit 1\n[[ $(type -t help) == function ]] && help >/dev/null\n"
        )
        lower = f"lowerdir={self.installed}/usr/lib:/usr/lib"
        sh(
            *("unshare", "-m", "sh", "-c", 'mount -t overlay overlay -o "$1" /usr/lib && exec bash -c "$2"'),
            *("sh", lower, script),
            env={**os.environ, "BUILDROOT": os.fspath(self.root), "RECORD": os.fspath(self.record)},
        )
        return self.record.read_text().splitlines()

    def add_base(self) -> None:
        """What the base hook brings: busybox under its names."""
        shutil.copy("/bin/busybox", self.root / "usr/bin/busybox")
        for name in ("ash", "sh", "cat", "mkdir", "mount"):
            (self.root / "usr/bin" / name).symlink_to("busybox")

    def run(self, device: str, cmdline: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """In the image and nothing else: a /dev with the device alone, a /run of its own."""
        (self.root / "cmdline").write_text(f"root={device} rootflags=subvol=root {cmdline}\n")
        script = (
            'cd "$1" && mount -t tmpfs tmpfs dev && mount -t tmpfs tmpfs run && '
            "mount -t proc proc proc && mount --bind cmdline proc/cmdline && "
            'cp -a /dev/null /dev/btrfs-control "$2" dev && touch dev/kmsg && shift 2 && '
            'env -i /usr/sbin/chroot . "$@"; status=$?; '
            "cat dev/kmsg; [ ! -e run/impermanence ] || cat run/impermanence/rollback.env; exit $status"
        )
        return subprocess.run(
            ["unshare", "-m", "sh", "-c", script, "sh", self.root, device, *argv],
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def image(tmp_path: Path) -> Image:
    if os.geteuid() != 0:
        pytest.skip("needs root for a mount namespace: run make test as root")
    installed = tmp_path / "installed"
    program = os.fspath(built(INSTALLED))
    environment = {**os.environ, "DESTDIR": os.fspath(installed), "PROGRAM": program}
    sh(INITRD / "install", env={**environment, "ADAPTERS": "mkinitcpio"})
    return Image(installed, tmp_path / "image", tmp_path / "record")


@pytest.mark.parametrize("hook", ["impermanence", "sd-impermanence"])
def test_image_has_the_program_and_no_other(image: Image, hook: str) -> None:
    record = image.build(hook)
    files = {line.removeprefix("file ") for line in record if line.startswith("file ")}
    assert f"/{CORE}/impermanence-rollback" in files
    assert not [path for path in files if path.rpartition("/")[2] in {"btrfs", "mount", "mv", "dd", "tr"}]
    assert "module btrfs" in record
    assert (f"/hooks/{hook}" in files) == (hook == "impermanence")


def test_image_with_systemd_has_the_units(image: Image) -> None:
    image.build("sd-impermanence")
    units = image.root / UNITS
    unit = INITRD / "dracut/impermanence-rollback.service"
    assert (units / unit.name).read_text() == unit.read_text()
    for link in ("sysroot.mount.requires", "initrd-root-fs.target.wants"):
        assert (units / link / unit.name).resolve() == units / unit.name
    early = "impermanence-early.service"
    assert (units / early).read_text() == (INITRD / "dracut" / early).read_text()
    assert (units / "initrd.target.wants" / early).resolve() == units / early
    generator = image.root / "usr/lib/systemd/system-generators/impermanence-device-generator"
    assert os.access(generator, os.X_OK)
    assert (image.root / "usr/bin/sh").exists()
    assert (units / "systemd-hibernate-resume@.service.d/before-rollback.conf").exists()


def test_build_fails_when_the_program_is_missing(image: Image) -> None:
    (image.installed / CORE / "impermanence-rollback").unlink()
    with pytest.raises(AssertionError, match="file not found: /usr/lib/impermanence/impermanence-rollback"):
        image.build("impermanence")


def test_wipe_by_run_hook_under_busybox(image: Image, filesystem: Filesystem) -> None:
    system = System(filesystem)
    image.build("impermanence")
    image.add_base()
    (image.root / "init").write_text(INIT)
    (image.root / "config").write_text('HOOKS="udev resume impermanence"\n')
    result = image.run(filesystem.device, "quiet", "/usr/bin/ash", "/init")
    assert result.returncode == 0, result
    assert "ACTION=wiped" in result.stdout, result
    assert "went on" in result.stdout
    assert not (system.top / "root/crud").exists()
    assert (system.top / "root/etc/hostname").exists()
    assert system.record(1).action == "wiped"


def test_unit_of_the_systemd_image_wipes_with_nothing_but_the_program(
    image: Image, filesystem: Filesystem
) -> None:
    """No shell runs, and no other program: one that the image lacks would be missed here."""
    system = System(filesystem)
    image.build("sd-impermanence")
    unit = (image.root / UNITS / "impermanence-rollback.service").read_text()
    (start,) = [line.partition("=")[2] for line in unit.splitlines() if line.startswith("ExecStart=")]
    for directory in ("bin", "lib"):
        for path in (image.root / "usr" / directory).iterdir():
            if path.name not in {"impermanence", "systemd"}:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    result = image.run(filesystem.device, "quiet", start)
    assert result.returncode == 0, result
    assert "ACTION=wiped" in result.stdout, result
    assert not (system.top / "root/crud").exists()


def test_nothing_is_rolled_back_before_a_resume_was_tried(image: Image, filesystem: Filesystem) -> None:
    system = System(filesystem)
    image.build("impermanence")
    image.add_base()
    (image.root / "init").write_text(INIT)
    (image.root / "config").write_text('HOOKS="udev impermanence resume"\n')
    result = image.run(filesystem.device, "quiet", "/usr/bin/ash", "/init")
    assert "stands before resume" in result.stdout, result
    assert "went on" in result.stdout
    assert (system.top / "root/crud").exists()
    assert system.numbers() == []


def test_shell_when_the_configuration_says_stop(image: Image, filesystem: Filesystem) -> None:
    system = System(filesystem, on_missing_blank="stop")
    sh("btrfs", "subvolume", "delete", system.top / "root-blank")
    image.build("impermanence")
    image.add_base()
    (image.root / "init").write_text(INIT)
    (image.root / "config").write_text('HOOKS="udev impermanence"\n')
    result = image.run(filesystem.device, "quiet", "/usr/bin/ash", "/init")
    assert "a shell" in result.stdout, result
    assert "went on" in result.stdout
    assert (system.top / "root/crud").exists()


def test_what_comes_first_is_put_into_the_root_by_run_latehook(image: Image, filesystem: Filesystem) -> None:
    system = System(filesystem)
    (filesystem.subvolume("persist") / "id").write_text("kept\n")
    fsid = sh("blkid", "-p", "-s", "UUID", "-o", "value", filesystem.device).strip()
    lines = f"VERSION=1\nFSID={fsid}\nPLACE=/etc/machine-id\nKIND=file\nSOURCE=persist/id\n"
    compile_into(system.state, {"early": lines.encode()})
    filesystem.umount(filesystem.top)
    image.build("impermanence")
    image.add_base()
    (image.root / "init").write_text(INIT)
    (image.root / "config").write_text('HOOKS="udev resume impermanence"\n')
    (image.root / "late").write_text(filesystem.device)
    result = image.run(filesystem.device, "quiet", "/usr/bin/ash", "/init")
    assert result.returncode == 0, result
    assert "kept\nwent on" in result.stdout, result


def test_installed_files(image: Image) -> None:
    files = sorted(path for path in image.installed.rglob("*") if path.is_file())
    assert {
        os.fspath(path.relative_to(image.installed / "usr/lib")): stat.S_IMODE(path.stat().st_mode)
        for path in files
    } == {
        "impermanence/before-rollback.conf": 0o644,
        "impermanence/device-generator.sh": 0o755,
        "impermanence/impermanence-early.service": 0o644,
        "impermanence/impermanence-rollback": 0o755,
        "impermanence/impermanence-rollback.service": 0o644,
        "impermanence/mkinitcpio-functions": 0o644,
        "initcpio/hooks/impermanence": 0o644,
        "initcpio/install/impermanence": 0o644,
        "initcpio/install/sd-impermanence": 0o644,
    }
