"""The entries of boot menus: GRUB's, by the real grub-mkconfig on a BTRFS root, and those of the
specification.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from impermanenced.boots import loaders
from tests.conftest import Filesystem, sh
from tests.grub import copy_generators
from tests.shell.hook import REPOSITORY, System, uuid_of

GRUB = REPOSITORY / "packaging/grub/42_impermanence"
PLUGIN = REPOSITORY / "packaging/kernel-install/95-impermanence.install"
WORDS = ("keep", "previous", "off")

# A root in which the programs are this machine's, and the hook is installed.
MKCONFIG = """
root=$1
for directory in dev proc sys tmp usr; do mkdir -p "$root/$directory"; done
for directory in dev proc sys; do mount --rbind "/$directory" "$root/$directory"; done
for name in bin sbin lib lib64; do [ -L "$root/$name" ] || ln -s "usr/$name" "$root/$name"; done
mount -t tmpfs tmpfs "$root/tmp"
mkdir -p "$root/tmp/lib/impermanence"
cp /bin/true "$root/tmp/lib/impermanence/impermanence-rollback"
mount -t overlay -o "lowerdir=$root/tmp:/usr" usr "$root/usr"
exec chroot "$root" /usr/bin/env PATH=/usr/sbin:/usr/bin grub-mkconfig
"""


@pytest.fixture
def root(filesystem: Filesystem, tmp_path: Path) -> Path:
    made = filesystem.subvolume("@rootfs")
    (made / "etc/grub.d").mkdir(parents=True)
    (made / "etc/default").mkdir()
    (made / "etc/default/grub").write_text('GRUB_CMDLINE_LINUX="quiet a=1"\nGRUB_DISABLE_OS_PROBER=true\n')
    copy_generators(made / "etc/grub.d")
    sh("cp", GRUB, made / "etc/grub.d")
    (made / "boot/grub").mkdir(parents=True)
    for version in ("6.1.0-9-amd64", "6.1.0-10-amd64"):
        (made / f"boot/vmlinuz-{version}").touch()
        (made / f"boot/initrd.img-{version}").touch()
    return filesystem.mount(tmp_path / "root", "subvol=@rootfs")


def mkconfig(root: Path) -> str:
    wrap = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", MKCONFIG, "sh"]
    result = subprocess.run([*wrap, root], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_grub_has_an_entry_for_each(root: Path, tmp_path: Path) -> None:
    text = mkconfig(root)
    (tmp_path / "grub.cfg").write_text(text)
    sh("grub-script-check", tmp_path / "grub.cfg")
    ours = text.partition("submenu 'Impermanence")[2]
    lines = re.findall(r"^\t\tlinux\t(\S+) (.*)$", ours, re.MULTILINE)
    assert [line.split()[-1] for _, line in lines] == [f"impermanence={word}" for word in WORDS]
    assert {place for place, _ in lines} == {"/@rootfs/boot/vmlinuz-6.1.0-10-amd64"}
    assert all("rootflags=subvol=@rootfs quiet a=1" in line for _, line in lines)
    assert ours.count("initrd\t/@rootfs/boot/initrd.img-6.1.0-10-amd64") == 3
    assert "impermanence=" not in text.partition("submenu 'Impermanence")[0]


@pytest.mark.parametrize("lacks", ["kernel", "initrd"])
def test_grub_without_what_an_entry_needs(root: Path, lacks: str) -> None:
    pattern = "vmlinuz-*" if lacks == "kernel" else "initrd.img-*"
    for path in (root / "boot").glob(pattern):
        path.unlink()
    assert "Impermanence" not in mkconfig(root)


def test_the_previous_root_boots(filesystem: Filesystem) -> None:
    """What the menu asks for, whatever its number is."""
    system = System(filesystem)
    assert system.initrd.boot("impermanence=previous").result.reason_code == "old-root-missing"
    for number in range(3):
        system.dirty(f"life {number}")
        system.initrd.boot()
    newest = system.archive()[-1]
    old = uuid_of(system.top / "old_roots" / newest)
    decision, _ = system.initrd.examine("impermanence=previous")
    assert decision.startswith(f"booted {newest.partition('-')[0]}")
    boot = system.initrd.boot("impermanence=previous")
    assert (boot.result.action, boot.result.volumes[0].source_uuid) == ("booted", old), boot.said
    assert (system.top / "root/life 2").exists()
    assert system.initrd.boot().result.action == "wiped"


# The Boot Loader Specification

ENTRY = """\
title      Debian GNU/Linux
version    6.1
sort-key   debian
options    root=UUID=x ro
linux /a/linux
"""


def install(boot: Path, command: str, version: str = "6.1", layout: str = "bls") -> None:
    environment = {
        **os.environ,
        "KERNEL_INSTALL_BOOT_ROOT": os.fspath(boot),
        "KERNEL_INSTALL_ENTRY_TOKEN": "debian",
        "KERNEL_INSTALL_LAYOUT": layout,
    }
    sh("dash", PLUGIN, command, version, env=environment)


@pytest.mark.parametrize("name", ["debian-6.1.conf", "debian-6.1+3.conf"])
def test_entries_come_and_go_with_the_kernel(tmp_path: Path, name: str) -> None:
    entries = tmp_path / "loader/entries"
    entries.mkdir(parents=True)
    (entries / name).write_text(ENTRY)
    (entries / "debian-6.10.conf").write_text(ENTRY)
    install(tmp_path, "add")
    install(tmp_path, "add")
    for word in WORDS:
        text = (entries / f"debian-6.1-impermanence-{word}.conf").read_text()
        assert f"options    root=UUID=x ro impermanence={word}\n" in text
        assert text.startswith("title      Debian GNU/Linux (") and "sort-key" not in text
        assert "linux /a/linux\n" in text
    assert (entries / name).read_text() == ENTRY
    install(tmp_path, "remove")
    assert sorted(path.name for path in entries.iterdir()) == sorted({name, "debian-6.10.conf"})


def test_no_entries_where_there_are_none(tmp_path: Path) -> None:
    install(tmp_path, "add")
    (tmp_path / "loader/entries").mkdir(parents=True)
    install(tmp_path, "add")
    install(tmp_path, "add", layout="uki")
    assert list((tmp_path / "loader/entries").iterdir()) == []


# Which kernel boots next

OLD, NEW = "6.1.0-9-amd64", "6.1.0-10-amd64"


def next_release(root: Path) -> str:
    kernel = loaders.next_kernel(os.fsencode(root))
    assert kernel is not None
    return kernel.release.decode()


DEVICE = "5d1e0b0c-6f3a-4a50-b5d0-f5e4c1f2a301"
# As 00_header and 10_linux of GRUB 2.06 write it, but for what no kernel is named in.
MENU = f"""\
if [ "${{next_entry}}" ] ; then
   set default="${{next_entry}}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="DEFAULT"
fi
function gfxmode {{
	set gfxpayload="${{1}}"
}}
menuentry 'Debian GNU/Linux' --class debian --class os $menuentry_id_option 'gnulinux-simple-{DEVICE}' {{
	insmod btrfs
	linux	/@rootfs/boot/vmlinuz-{NEW} root=UUID={DEVICE} ro rootflags=subvol=@rootfs
	initrd	/@rootfs/boot/initrd.img-{NEW}
}}
submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-{DEVICE}' {{
	menuentry 'Debian GNU/Linux, with Linux {NEW}' $menuentry_id_option 'gnulinux-{NEW}-advanced-{DEVICE}' {{
		linux	/@rootfs/boot/vmlinuz-{NEW} root=UUID={DEVICE} ro rootflags=subvol=@rootfs
	}}
	menuentry 'Debian GNU/Linux, with Linux {OLD}' $menuentry_id_option 'gnulinux-{OLD}-advanced-{DEVICE}' {{
		linux	/@rootfs/boot/vmlinuz-{OLD} root=UUID={DEVICE} ro rootflags=subvol=@rootfs
	}}
}}
"""


def test_the_kernel_that_grub_starts_next(root: Path) -> None:
    config, env = root / "boot/grub/grub.cfg", root / "boot/grub/grubenv"
    assert next_release(root) == NEW, "nothing is known, and it is the newest"
    config.write_text(MENU.replace("DEFAULT", "0"))
    sh("grub-script-check", config)
    assert next_release(root) == NEW
    sh("grub-editenv", env, "create")
    ids = f"gnulinux-advanced-{DEVICE}>gnulinux-{OLD}-advanced-{DEVICE}"
    for words in (ids, "1>1", f"1>Debian GNU/Linux, with Linux {OLD}"):
        sh("grub-editenv", env, "set", f"next_entry={words}")
        assert next_release(root) == OLD, words
    sh("grub-editenv", env, "set", "next_entry=")
    assert next_release(root) == NEW
    sh("grub-editenv", env, "set", f"saved_entry={ids}")
    assert next_release(root) == NEW, "the menu does not go by what is saved"
    config.write_text(MENU.replace("DEFAULT", "${saved_entry}"))
    assert next_release(root) == OLD
    sh("grub-editenv", env, "set", "saved_entry=gone")
    assert next_release(root) == NEW, "GRUB takes the first then"


def test_a_menu_that_a_script_decides_is_not_guessed_at(root: Path) -> None:
    (root / "boot/grub/grub.cfg").write_text(MENU.replace("DEFAULT", "${other}${more}"))
    assert next_release(root) == NEW


def test_the_kernel_that_the_specification_starts_next(root: Path) -> None:
    """Fedora's GRUB goes by an entry that is saved, systemd-boot by a pattern."""
    entries = root / "boot/loader/entries"
    entries.mkdir(parents=True)
    machine = "0" * 32
    for version in (OLD, NEW):
        (entries / f"{machine}-{version}.conf").write_text(f"title x\nlinux /vmlinuz-{version}\n")
        (entries / f"{machine}-{version}-impermanence-keep.conf").write_text(f"linux /vmlinuz-{version}\n")
    config, env = root / "boot/grub/grub.cfg", root / "boot/grub/grubenv"
    config.write_text('set default="${saved_entry}"\ninsmod blscfg\nblscfg\n')
    sh("grub-editenv", env, "create")
    assert next_release(root) == NEW
    sh("grub-editenv", env, "set", f"saved_entry={machine}-{OLD}")
    assert next_release(root) == OLD
    config.unlink()
    assert next_release(root) == NEW
    (root / "boot/loader/loader.conf").write_text(f"timeout 3\ndefault *-{OLD}.conf\n")
    assert next_release(root) == OLD
    (root / "boot/loader/loader.conf").write_text("default *-nothing\n")
    assert next_release(root) == NEW
