"""`impermanence apply` in a running system: what is made, mounted, compiled, and what is left and said."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from impermanenced.config.load import VolumeSettings
from impermanenced.keep import store, units
from impermanenced.kernel import libc
from impermanenced.volumes.machine import Machine as Writable
from tests.conftest import Filesystem, sh
from tests.unit.config.reading import ARTICLE

from .machine import Machine, how

MOUNTS = "cut -d' ' -f4,5,6 /proc/self/mountinfo | grep /persist/ || true"
ONE = '[persist."/persist"]\n'


def steps(document, kind: str) -> list[str]:  # type: ignore[no-untyped-def]
    return [step["path"] for step in document["steps"] if step["step"] == kind]


def left(document) -> str:  # type: ignore[no-untyped-def]
    return "\n".join(f"{one['words']}; {one['hint']}" for one in document["left"])


def test_the_articles_declarations(machine: Machine) -> None:
    machine.configure(ARTICLE)
    machine.set_up()
    (machine.root / "etc").chmod(0o711)
    document, said = machine.apply(then=f"{MOUNTS}\nimpermanence apply\nimpermanence status --persist")
    assert document["left"] == []
    assert document["handed_over"] is True
    lines = said.splitlines()
    mounts = [line.split(" ")[:2] for line in lines if line.startswith("/persist/")]
    assert len(mounts) == 21
    assert all(source == f"/persist{place}" for source, place in mounts)
    assert "what is declared is in place: nothing to do" in lines
    assert "22 declarations: 22 active." in lines
    persist, root = machine.persist, machine.root
    assert how(persist / "var/lib/colord") == how(root / "var/lib/colord") == ("0750", 107, 115)
    assert how(persist / "var/keys") == how(root / "var/keys") == ("0700", 0, 0)
    assert how(persist / "home/talyz") == how(root / "home/talyz") == ("0700", 1000, 1000)
    for path in (".ssh", "Documents", ".local", ".local/share/keyrings", "VirtualBox VMs"):
        assert how(persist / "home/talyz" / path) == how(root / "home/talyz" / path) == ("0700", 1000, 1000)
    assert how(root / "home") == ("0755", 0, 0)
    assert how(root / "etc")[0] == "0711", "what is there keeps its mode"
    assert (persist / "etc/machine-id").read_text() == (root / "etc/machine-id").read_text()
    steam = root / "home/talyz/.local/share/Steam"
    assert os.readlink(steam) == "/persist/home/talyz/.local/share/Steam"
    assert os.lstat(steam).st_uid == 1000
    assert (persist / "home/talyz/.local/share/Steam").is_dir(), "the link leads somewhere"


def test_the_compiled_set_is_whole_and_of_root_alone(machine: Machine) -> None:
    machine.configure(ARTICLE)
    machine.set_up()
    document, _ = machine.apply()
    files = {
        os.fspath(path.relative_to(machine.compiled)): path.read_bytes()
        for path in machine.compiled.rglob("*")
        if path.is_file()
    }
    manifest = files.pop("manifest")
    assert sorted(files) == document["files"]
    assert manifest == units.manifest(dict(sorted(files.items())))
    assert how(machine.compiled) == ("0700", 0, 0)
    assert [path.name for path in machine.compiled.parent.iterdir() if path.name.startswith("compiled")] == [
        "compiled"
    ]


def test_a_dry_run_changes_nothing_and_foretells_all(machine: Machine) -> None:
    machine.configure(ARTICLE)
    machine.set_up()
    before = machine.everything()
    foretold, said = machine.apply("--dry-run", then=MOUNTS)
    assert machine.everything() == before
    assert said == ""
    done, _ = machine.apply()
    assert (foretold.pop("dry_run"), done.pop("dry_run")) == (True, False)
    assert foretold == done


def test_before_set_up_the_units_are_in_usr_local(machine: Machine) -> None:
    """There is no hook that would hand them over, and the root is not wiped."""
    machine.configure(ONE + 'directories = ["/var/log"]')
    document, said = machine.apply(then="impermanence apply; impermanence setup; impermanence apply")
    assert document["handed_over"] is False
    assert steps(document, "install") == ["/usr/local/lib/systemd/system"]
    first, _, second = said.partition("done:")
    assert "until  impermanence setup  its units are in /usr/local" in first
    assert "remove the units in /usr/local/lib/systemd/system" in second
    assert "compile 4 files" in second
    assert not list((machine.root / "local/lib/systemd/system").rglob("*impermanence*"))
    assert not list((machine.root / "local/lib/systemd/system").glob("*.mount"))


def test_units_before_set_up_name_their_own_lines(machine: Machine) -> None:
    machine.configure(ONE + 'directories = ["/var/log"]')
    machine.apply()
    system = machine.root / "local/lib/systemd/system"
    assert "What=/persist/var/log" in (system / "var-log.mount").read_text()
    places = (system / "impermanence-places.service").read_text()
    assert "--create /etc/impermanence/tmpfiles.d/impermanence.conf" in places
    assert (
        "d /persist/var/log" in (machine.root / "etc/impermanence/tmpfiles.d/impermanence.conf").read_text()
    )
    assert os.readlink(system / "local-fs.target.wants/impermanence.target") == "../impermanence.target"
    assert how(system / "var-log.mount") == ("0644", 0, 0)


def test_data_that_the_persist_volume_lacks_is_not_hidden(machine: Machine) -> None:
    machine.configure(ONE + 'directories = ["/var/lib/app", "/var/lib/other"]')
    machine.set_up()
    (machine.root / "var/lib/app").mkdir()
    (machine.root / "var/lib/app/data").write_text("precious")
    document, said = machine.apply(then=f"{MOUNTS}\ncat /var/lib/app/data")
    assert steps(document, "mount") == ["/var/lib/other"]
    assert left(document) == (
        "/var/lib/app has data that /persist does not have: nothing is mounted over it; "
        "impermanence persist /var/lib/app"
    )
    assert said.endswith("precious")
    unit = (machine.compiled / "units/var-lib-app.mount").read_text()
    assert "ConditionDirectoryNotEmpty=!/var/lib/app\n" in unit, "no later boot hides it either"


def test_other_data_in_both_is_left_for_the_next_boot(machine: Machine) -> None:
    machine.configure(ONE + 'directories = ["/var/lib/app"]\nfiles = ["/etc/a", "/etc/b"]')
    machine.set_up()
    for directory, words in ((machine.root, "live"), (machine.persist, "kept")):
        (directory / "var/lib/app").mkdir(parents=True)
        (directory / "var/lib/app" / words).touch()
        (directory / "etc").mkdir(exist_ok=True)
        (directory / "etc/a").write_text(words)
        (directory / "etc/b").write_text("the same")
    document, _ = machine.apply()
    assert steps(document, "mount") == ["/etc/b"]
    assert left(document).splitlines() == [
        "/etc/a is not what /persist/etc/a is, and would be hidden; the next boot mounts it",
        "/var/lib/app is not what /persist/var/lib/app is, and would be hidden; the next boot mounts it",
    ]
    assert (machine.persist / "etc/a").read_text() == "kept"


def test_a_busy_path_is_said_and_left(machine: Machine) -> None:
    machine.configure(ONE + 'directories = ["/var/lib/app", "/var/lib/free"]')
    machine.set_up()
    (machine.root / "var/lib/app/sub").mkdir(parents=True)
    # Somebody is in it; its name is gone, so nothing but the process says so.
    before = (
        "(cd /var/lib/app/sub && exec sleep 1000) & pid=$!\n"
        'until [ "$(readlink /proc/$pid/cwd)" = /var/lib/app/sub ]; do :; done\n'
        "rmdir /var/lib/app/sub"
    )
    document, said = machine.apply(before=before, then=f"kill $pid; {MOUNTS}")
    assert "/var/lib/app is in use by sleep (" in left(document)
    assert said.split() == ["/persist/var/lib/free", "/var/lib/free", "rw,relatime"]


def test_small_files_of_roots_are_copied_whole(machine: Machine) -> None:
    machine.configure(ONE + 'files = ["/etc/ssh/key", "/etc/large", {path = "/etc/auto", method = "auto"}]')
    machine.set_up()
    (machine.root / "etc/ssh").mkdir()
    key = machine.root / "etc/ssh/key"
    key.write_text("secret")
    key.chmod(0o600)
    os.chown(key, 107, 115)
    os.utime(key, ns=(1, 2))
    sh("setfattr", "-n", "user.a", "-v", "b", key)
    (machine.root / "etc/large").write_bytes(bytes(2 << 20))
    (machine.root / "etc/auto").write_text("here")
    document, _ = machine.apply(then=MOUNTS)
    assert steps(document, "copy") == ["/persist/etc/auto", "/persist/etc/ssh/key"]
    assert steps(document, "mount") == ["/etc/auto", "/etc/ssh/key"]
    assert "/etc/large has data that /persist does not have" in left(document)
    copy = machine.persist / "etc/ssh/key"
    assert (copy.read_text(), how(copy), copy.stat().st_mtime_ns) == ("secret", ("0600", 107, 115), 2)
    assert os.getxattr(copy, "user.a") == b"b"
    assert sorted(path.name for path in copy.parent.iterdir()) == ["key"]


def test_a_file_in_a_home_is_not_copied_by_root(machine: Machine) -> None:
    """Its owner could put another one there meanwhile; `persist` is made for that."""
    machine.configure('[persist."/persist".users.talyz]\nfiles = [".netrc"]')
    machine.set_up()
    home = machine.root / "home/talyz"
    home.mkdir()
    os.chown(home, 1000, 1000)
    (home / ".netrc").write_text("x")
    document, _ = machine.apply()
    assert steps(document, "copy") == []
    assert "impermanence persist /home/talyz/.netrc" in left(document)


def test_without_an_id_the_first_boot_stays_a_first_boot(machine: Machine) -> None:
    machine.configure(ONE + 'files = ["/etc/machine-id"]')
    machine.set_up()
    (machine.root / "etc/machine-id").write_text("")
    machine.apply()
    assert (machine.persist / "etc/machine-id").read_text() == "uninitialized\n"
    early = (machine.compiled / "early").read_text()
    assert "PLACE=/etc/machine-id\n" in early and "SOURCE=persist/etc/machine-id\n" in early
    drop_in = machine.compiled / "units/systemd-machine-id-commit.service.d/impermanence.conf"
    assert "ConditionFirstBoot=yes" in drop_in.read_text()


def test_removing_a_declaration_deletes_nothing(machine: Machine) -> None:
    machine.configure(ONE + 'directories = ["/var/lib/app"]')
    machine.set_up()
    machine.run(
        "impermanence apply; echo data > /var/lib/app/file; : > /etc/impermanence/config.toml\n"
        "impermanence apply > /said; cat /var/lib/app/file"
    )
    said = (machine.root / "said").read_text()
    assert "/var/lib/app is no longer declared: it stays mounted until the next boot" in said
    assert "its data stays in /persist/var/lib/app" in said
    assert (machine.persist / "var/lib/app/file").read_text() == "data\n"
    assert [path.name for path in (machine.compiled / "units").iterdir()] == ["impermanence.target"]


def test_links_are_made_and_what_is_in_their_place_is_said(machine: Machine) -> None:
    text = "".join(f'{{path = "/etc/{name}", method = "symlink"}}, ' for name in ("new", "wrong", "file"))
    machine.configure(ONE + f'files = [{text}{{path = "/etc/auto", method = "auto"}}]')
    machine.set_up()
    (machine.root / "etc/wrong").symlink_to("elsewhere")
    (machine.root / "etc/file").write_text("mine")
    (machine.root / "etc/file").chmod(0o666)
    document, _ = machine.apply()
    assert os.readlink(machine.root / "etc/new") == "/persist/etc/new"
    assert os.readlink(machine.root / "etc/auto") == "/persist/etc/auto"
    assert (machine.persist / "etc/new").exists(), "no link dangles"
    assert (machine.root / "etc/file").read_text() == "mine"
    assert left(document).splitlines() == [
        "/etc/wrong is a link to elsewhere; impermanence persist /etc/wrong",
        "/etc/file is where the link to /persist/etc/file belongs; impermanence persist /etc/file",
    ]


def test_copies_take_owner_and_mode_along(machine: Machine) -> None:
    machine.configure(
        ONE + 'files = [{path = "/etc/adjtime", method = "sync"}, {path = "/etc/b", method = "sync"}]'
    )
    machine.set_up()
    (machine.persist / "etc").mkdir()
    (machine.persist / "etc/adjtime").write_text("0.0\n")
    os.chown(machine.persist / "etc/adjtime", 107, 115)
    (machine.persist / "etc/adjtime").chmod(0o640)
    document, _ = machine.apply()
    assert (machine.root / "etc/adjtime").read_text() == "0.0\n"
    assert how(machine.root / "etc/adjtime") == ("0640", 107, 115)
    assert not (machine.persist / "etc/b").exists() and not (machine.root / "etc/b").exists()
    assert document["left"] == []


def test_mount_options_and_excluded_directories(machine: Machine) -> None:
    machine.configure(
        ONE + 'directories = [{path = "/srv/x", mount-options = ["noexec", "nosuid"], '
        'exclude = ["cache/a", "full"]}]'
    )
    machine.set_up()
    (machine.persist / "srv/x/full").mkdir(parents=True)
    (machine.persist / "srv/x/full/kept").touch()
    document, said = machine.apply(then=f"{MOUNTS}; touch /srv/x/cache/a/gone /srv/x/stays")
    assert said.splitlines() == ["/persist/srv/x /srv/x rw,nosuid,noexec,relatime"]
    empty = machine.root / "var/lib/impermanence/excluded/srv/x"
    assert (empty / "cache/a/gone").exists()
    assert not list((machine.persist / "srv/x/cache/a").iterdir())
    assert (machine.persist / "srv/x/stays").exists()
    assert "/srv/x/full is not what" in left(document), "nothing that programs see now vanishes"


def test_something_else_mounted_there_is_said(machine: Machine) -> None:
    machine.configure(ONE + 'directories = ["/var/lib/app"]')
    machine.set_up()
    document, _ = machine.apply(before="mkdir /var/lib/app; mount -t tmpfs none /var/lib/app")
    assert left(document) == "/var/lib/app: something else is mounted there; unmount it: umount /var/lib/app"


def test_a_system_that_does_not_run_is_compiled_for(machine: Machine, tmp_path: Path) -> None:
    """From a rescue system: sources are made in its persist volume, and nothing is mounted."""
    machine.configure(ONE + 'directories = [{path = "/var/lib/app", user = "colord"}]')
    machine.set_up()
    persist = machine.filesystem.mount(machine.root / "persist", "subvol=persist")
    config = tmp_path / "rescue.toml"
    config.write_text(f'[[volume]]\nmountpoint = "{machine.root}"\npath = "/"\n' + machine.config.read_text())
    script = "import sys; from impermanenced.cli.main import command; sys.exit(command())"
    said = sh(".venv/bin/python", "-c", script, "--config", config, "apply", cwd=Path(__file__).parents[3])
    assert how(persist / "var/lib/app") == ("0755", 107, 0)
    assert not (machine.root / "var/lib/app").exists()
    assert "mount" not in said.partition("compile")[2]
    assert (machine.compiled / "units/var-lib-app.mount").exists()


def test_a_tampered_set_is_compiled_anew(machine: Machine) -> None:
    machine.configure(ONE + 'directories = ["/var/lib/app"]')
    machine.set_up()
    machine.apply()
    unit = machine.compiled / "units/var-lib-app.mount"
    good = unit.read_text()
    unit.write_text("[Mount]\n")
    (machine.compiled.parent / "compiled.new").mkdir()  # of a run that was cut
    (machine.compiled.parent / "compiled.new/left").touch()
    document, _ = machine.apply()
    assert steps(document, "compile") == [".impermanence/compiled"]
    assert unit.read_text() == good
    assert not (machine.compiled.parent / "compiled.new").exists()


# Bad input: one line, and nothing done


@pytest.mark.parametrize(
    ("text", "prepare", "message"),
    [
        ('directories = ["/etc/hosts"]', "file", "/etc/hosts is declared as a directory, and is a file"),
        ('files = ["/etc/hosts"]', "directory", "/etc/hosts is declared as a file, and is a directory"),
        ('directories = ["/var/lib/x/y"]', "link", "leads through the symlink /var/lib/x"),
        ('directories = ["/srv/x"]', "store-link", "/persist/srv/x: Too many levels of symbolic links"),
        ('directories = [{path = "/a", user = "ghost"}]', "", "there is no user ghost in this system"),
        ('users.ghost.files = ["a"]', "", "there is no user ghost in this system"),
        ('directories = ["/a", "/a/b"]', "", '"/a/b" is inside "/a"'),
        ('directories = ["/proc/x"]', "", "is in /proc, which every boot makes anew"),
        ('directories = ["/a "]', "", "its name ends with a blank"),
        ('directories = [{path = "/a", store = "/absent"}]', "", "the persist volume /absent is not there"),
        ('directories = [{path = "/a", store = "/inside"}]', "inside", "/inside is no volume of its own"),
    ],
)
def test_refusals(machine: Machine, text: str, prepare: str, message: str) -> None:
    machine.configure(ONE + text)
    machine.run("true")  # makes the directories of the harness
    root, persist = machine.root, machine.persist
    if prepare == "file":
        (root / "etc/hosts").write_text("x")
    elif prepare == "directory":
        (root / "etc/hosts").mkdir()
    elif prepare == "link":
        (root / "var/lib/x").symlink_to("/tmp")
    elif prepare == "store-link":
        (persist / "srv").symlink_to("/etc")
    elif prepare == "inside":
        (root / "inside").mkdir()
    assert message in machine.refused()


def test_a_read_only_persist_volume_is_refused(machine: Machine) -> None:
    machine.configure(ONE + 'directories = ["/a"]')
    machine.run("true")
    sh("btrfs", "property", "set", machine.persist, "ro", "true")
    try:
        assert "the persist volume /persist is read-only" in machine.refused()
    finally:
        sh("btrfs", "property", "set", machine.persist, "ro", "false")


def test_a_full_persist_volume_fails_for_what_it_lacks(filesystem: Filesystem, tmp_path: Path) -> None:
    machine = Machine(filesystem, tmp_path)
    machine.configure(ONE + 'directories = ["/var/lib/app", "/var/log"]')
    machine.set_up()
    (machine.persist / "var/log").mkdir(parents=True)
    sh("btrfs", "quota", "enable", machine.top)
    sh("btrfs", "qgroup", "limit", "16384", machine.persist)
    sh("btrfs", "quota", "rescan", "-w", machine.top)
    result = machine.shell("impermanence apply")
    assert result.returncode == 1, result.stdout
    assert "could not make the directory /persist/var/lib" in result.stdout
    assert "mount /persist/var/log at /var/log" in result.stdout, "each path stands for itself"


@pytest.mark.parametrize("step", ["sync", "renameat2", "second sync"])
def test_a_set_that_is_cut_short_leaves_the_one_before_or_the_new_one(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    machine.set_up()
    old, new = {"units/a.mount": b"old"}, {"units/b.mount": b"new", "early": b"VERSION=1\n"}
    with Writable([VolumeSettings(mountpoint=os.fsencode(machine.root), path=b"/")]) as found:
        store.write(found, old)
        assert store.read(found) == old
        calls = iter(["sync", "second sync"])

        def cut(*_: object) -> None:
            if step == "renameat2" or next(calls) == step:
                raise OSError(errno.EIO, "cut")

        with monkeypatch.context() as patch:
            target: object = libc if step == "renameat2" else Writable
            patch.setattr(target, step.removeprefix("second "), cut)
            with pytest.raises(OSError, match="cut"):
                store.write(found, new)
        assert store.read(found) == (new if step == "second sync" else old)
        store.write(found, new)
        assert store.read(found) == dict(sorted(new.items()))


def test_a_record_in_the_initrd_is_one(machine: Machine) -> None:
    """A declarative system has none on the disk; what its hook did in this boot says that there is one."""
    machine.configure(ONE + 'directories = ["/var/lib/app"]')
    machine.filesystem.subvolume(".impermanence")
    for action, handed in (("kept", True), ("off", False)):
        lines = [
            "VERSION=1",
            "BOOT_ID=0123abcd-0123-4567-89ab-0123456789ab",
            "TIME=1795000000",
            "RELEASE=6.1.0",
            f"ACTION={action}",
        ]
        record = "\\n".join([*lines, ""])
        before = f"mkdir -p /run/impermanence; printf '{record}' > /run/impermanence/rollback.env"
        document, _ = machine.apply("--dry-run", before=before)
        assert document["handed_over"] is handed
