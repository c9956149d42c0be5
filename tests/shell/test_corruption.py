"""Files of the state directory that say nonsense: the machine boots unchanged and says which and why; and
once the file is put right or away, the next boot wipes."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from impermanenced.boots import records
from impermanenced.boots.records import NextRequest
from impermanenced.errors import RecordError
from tests.conftest import Filesystem
from tests.shell.cuts import CUT, Tracer, unmount_after_death
from tests.shell.hook import SANITIZED, Boot, Initrd, System, built, check

pytestmark = pytest.mark.usefixtures("build")
GOLDEN = Path(__file__).parent.parent / "golden"


def truncated(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def noise(path: Path) -> None:
    path.write_bytes(random.Random(path.name).randbytes(300))


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def future(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"VERSION=1\n", b"VERSION=2\n"))


def zeroes(path: Path) -> None:
    """What some filesystems leave of a file that was not synced."""
    path.write_bytes(bytes(path.stat().st_size))


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("/nowhere")


CORRUPTIONS = (truncated, noise, emptied, future, zeroes, directory, dangling)


def no_harm(system: System, file: str) -> Boot:
    """A boot that changes nothing and says why: in /run, in the log and, where it could, in its record."""
    archived = system.archive()
    boot = system.initrd.boot()
    assert (boot.status, boot.result.action) == (0, "refused"), boot.said
    assert boot.result.reason.startswith(f"{file}: "), boot.said
    assert boot.result.reason in boot.said
    assert (system.top / "root/crud").exists()
    assert not os.path.ismount(boot.run / "impermanence/top")
    assert system.archive() == archived
    if boot.result.number is not None:
        assert system.record(boot.result.number) == boot.result
    return boot


def put_away(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink()


def wipes(system: System) -> Boot:
    boot = system.initrd.boot()
    assert boot.result.action == "wiped", boot.said
    assert not (system.top / "root/crud").exists()
    assert list((system.state / "staging").iterdir()) == []
    return boot


@pytest.fixture
def system(filesystem: Filesystem) -> System:
    system = System(filesystem)
    system.initrd.boot()
    system.dirty("crud")
    return system


@pytest.mark.parametrize("corrupt", CORRUPTIONS)
def test_rollback_env(system: System, corrupt: Callable[[Path], None]) -> None:
    """Who does not know the layout writes nothing to the disk: the reason is in /run and in the log."""
    file = system.state / "rollback.env"
    corrupt(file)
    boot = no_harm(system, "rollback.env")
    assert (boot.result.number, system.numbers()) == (None, [1])
    put_away(file)
    system.write()
    assert wipes(system).result.number == 2


@pytest.mark.parametrize("corrupt", CORRUPTIONS)
def test_next(system: System, corrupt: Callable[[Path], None]) -> None:
    system.request(NextRequest("keep", "request"))
    corrupt(system.state / "next")
    boot = no_harm(system, "next")
    assert boot.result.number == 2
    put_away(system.state / "next")
    assert wipes(system).result.number == 3


@pytest.mark.parametrize("corrupt", CORRUPTIONS)
def test_last_record(system: System, corrupt: Callable[[Path], None]) -> None:
    """It says what the life is called that would be archived, and whether wiping is held."""
    file = system.state / "boots/1.env"
    corrupt(file)
    no_harm(system, "boots/1.env")
    put_away(file)
    boot = wipes(system)
    assert len(system.archive()) == 2
    assert boot.result.volumes[0].old is not None


@pytest.mark.parametrize("corrupt", CORRUPTIONS)
def test_older_record_does_not_matter(system: System, corrupt: Callable[[Path], None]) -> None:
    system.initrd.boot()
    corrupt(system.state / "boots/1.env")
    system.dirty("crud")
    assert wipes(system).result.number == 3


@pytest.mark.parametrize("corrupt", CORRUPTIONS)
def test_plan(system: System, tmp_path: Path, corrupt: Callable[[Path], None]) -> None:
    """A plan that was cut and then spoiled: nothing is finished after it; what it was about is archived."""
    tracer = Tracer(tmp_path / "tracer", exchanges=False)
    plan = system.state / "staging/plan"
    for turn in range(1, 40):
        run = tmp_path / f"turn{turn}"
        tracer.arm(run / "impermanence/top", after=turn)
        assert tracer.run(system.initrd.arguments(run, "")) == CUT
        unmount_after_death(run)
        if plan.exists():
            break
    corrupt(plan)
    boot = no_harm(system, "staging/plan")
    assert boot.result.number is not None
    put_away(plan)
    boot = wipes(system)
    assert boot.result.recovered, "the half-made root waits in the archive"


@pytest.mark.parametrize("kind", ["rollback", "next", "record"])
def test_every_truncation_is_refused_or_whole(tmp_path: Path, kind: str) -> None:
    """A file that ends at any byte is taken only where the other parser takes it too."""
    parse = {
        "rollback": records.parse_rollback,
        "next": records.parse_next,
        "record": records.parse_record,
    }[kind]
    name = {"rollback": "small", "next": "boot", "record": "wiped"}[kind]
    whole = (GOLDEN / kind / "valid" / f"{name}.env").read_bytes()
    file = tmp_path / "truncated.env"
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        try:
            parse(whole[:length], bytes(file))
            understood = True
        except RecordError:
            understood = False
        assert (check(kind, file).returncode == 0) == understood, whole[:length]


@pytest.mark.parametrize("clock", [0, 86400, -1])
def test_clock_in_1970(system: System, monkeypatch: pytest.MonkeyPatch, clock: int) -> None:
    """Neither the number nor the name of an old root is the time: the boots go on counting."""
    monkeypatch.setattr(Initrd, "build", SANITIZED)  # a static program has no clock but the real one
    preload = {"LD_PRELOAD": os.fspath(built("clock.so")), "ASAN_OPTIONS": "verify_asan_link_order=0"}
    for number in (2, 3):
        boot = system.initrd.boot(environment={**preload, "CLOCK": str(clock)})
        assert (boot.result.action, boot.result.number) == ("wiped", number), boot.said
        assert boot.result.time == max(clock, 0)
        assert system.record(number) == boot.result
        system.dirty("crud")
    assert wipes(system).result.number == 4
    assert [int(name.split("-")[0]) for name in system.archive()] == [0, 1, 2, 3]


# What a person or a program may have written into rollback.env.

BAD_INPUT = {
    "volume named /": ("SUBVOLUME=root", "SUBVOLUME=/"),
    "volume named ..": ("SUBVOLUME=root", "SUBVOLUME=.."),
    "volume through ..": ("SUBVOLUME=root", "SUBVOLUME=a/../root"),
    "volume that is empty": ("SUBVOLUME=root", "SUBVOLUME="),
    "volume with $(command)": ("SUBVOLUME=root", "SUBVOLUME=$(reboot)"),
    "volume with `command`": ("SUBVOLUME=root", "SUBVOLUME=`reboot`"),
    "volume with ;": ("SUBVOLUME=root", "SUBVOLUME=root;reboot"),
    "volume with *": ("SUBVOLUME=root", "SUBVOLUME=*"),
    "volume with a quote": ("SUBVOLUME=root", "SUBVOLUME='root'"),
    "volume with a newline": ("SUBVOLUME=root", "SUBVOLUME=ro%0Aot"),
    "volume with a dash first": ("SUBVOLUME=root", "SUBVOLUME=-root"),
    "name that is empty": ("VOLUME=root", "VOLUME="),
    "name ..": ("VOLUME=root", "VOLUME=.."),
    "name with /": ("VOLUME=root", "VOLUME=a/b"),
    "name with $": ("VOLUME=root", "VOLUME=$HOME"),
    "blank inside the volume": ("BLANK=root-blank", "BLANK=root/blank"),
    "blank that is the volume": ("BLANK=root-blank", "BLANK=root"),
    "archive inside the volume": ("ARCHIVE=old_roots", "ARCHIVE=root/old_roots"),
    "archive that is the volume": ("ARCHIVE=old_roots", "ARCHIVE=root"),
    "volume inside the archive": ("SUBVOLUME=root", "SUBVOLUME=old_roots/root"),
    "another version": ("VERSION=1", "VERSION=2"),
    "two volumes with one archive name": ("END", "VOLUME=root\nSUBVOLUME=other\nBLANK=\n"),
    "two volumes of one subvolume": ("END", "VOLUME=other\nSUBVOLUME=root\nBLANK=\n"),
}


@pytest.mark.parametrize("place", ["disk", "initrd"])
def test_bad_input(filesystem: Filesystem, place: str) -> None:
    """One filesystem for all of them: none of them may change it."""
    system = System(filesystem)
    good = (system.state / "rollback.env").read_text()
    for words, (old, new) in BAD_INPUT.items():
        bad = good + new if old == "END" else good.replace(f"{old}\n", f"{new}\n", 1)
        assert bad != good, words
        (system.state / "rollback.env" if place == "disk" else system.initrd.copy).write_text(bad)
        boot = no_harm(system, "rollback.env" if place == "disk" else "rollback.env of the initrd")
        assert (boot.result.number, system.numbers(), system.archive()) == (None, [], []), words
        assert sorted(path.name for path in system.top.iterdir()) == [".impermanence", "root", "root-blank"]
    system.initrd.copy.unlink(missing_ok=True)
    system.write()
    assert wipes(system).result.number == 1
