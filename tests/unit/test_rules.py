"""Which rule decides, on the layouts that are in use."""

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impermanenced.model import Change, Declaration, Difference, FileType, Mounted, Verdict
from impermanenced.report.rules import NOTHING, Rules, Ruling

from ..conftest import calls


def difference(
    path: bytes,
    type: FileType = FileType.FILE,
    change: Change = Change.CREATED,
    target: bytes | None = None,
) -> Difference:
    return Difference(path, type, change, "+......", 300, 0, 0, 0, 0o644, 0, target)


def directory(path: bytes, change: Change = Change.CREATED) -> Difference:
    return difference(path, FileType.DIRECTORY, change)


def link(path: bytes, target: bytes) -> Difference:
    return difference(path, FileType.SYMLINK, target=target)


def declared(path: bytes, *, file: bool = False, persist: bytes = b"/persist") -> Declaration:
    return Declaration(path, not file, persist, "config.toml, here")


def mounted(path: bytes, source: bytes = b"/dev/vg/root[/persist/x]", fstype: str = "btrfs") -> Mounted:
    return Mounted(path, fstype, source, fstype in ("tmpfs", "proc"))


# The article's declarations, on LVM with /persist and /nix, and what a boot mounts.
ARTICLE = Rules(
    declarations=[
        declared(b"/etc/nixos"),
        declared(b"/var/log"),
        declared(b"/var/lib/bluetooth"),
        declared(b"/var/lib/colord"),
        declared(b"/etc/NetworkManager/system-connections"),
        declared(b"/etc/machine-id", file=True),
        declared(b"/var/keys/secret_file", file=True),
        declared(b"/home/alice/.local/share/Steam"),
        declared(b"/home/alice/VirtualBox VMs"),
        declared(b"/home/alice/.screenrc", file=True),
    ],
    mounted=[
        mounted(b"/nix", b"/dev/vg/root[/nix]"),
        mounted(b"/persist", b"/dev/vg/root[/persist]"),
        mounted(b"/etc/nixos"),
        mounted(b"/var/log"),
        mounted(b"/etc/machine-id"),
        mounted(b"/boot", b"/dev/vda1", "vfat"),
        mounted(b"/home/alice/VirtualBox VMs"),
        mounted(b"/tmp", b"tmpfs", "tmpfs"),
        mounted(b"/proc", b"proc", "proc"),
        mounted(b"/srv/cache/run", b"tmpfs", "tmpfs"),
    ],
    ignore=["/scratch/", "*.swp", "!keep.swp"],
    persist=[b"/persist"],
)


@pytest.mark.parametrize(
    ("entry", "verdict", "rule"),
    [
        # Mount points, and what was made on the way to them.
        (directory(b"/nix"), Verdict.PERSISTED, "mount point of /dev/vg/root[/nix] (btrfs)"),
        (directory(b"/boot"), Verdict.PERSISTED, "mount point of /dev/vda1 (vfat)"),
        (difference(b"/etc/machine-id"), Verdict.PERSISTED, "mount point of"),
        (directory(b"/home/alice"), Verdict.PERSISTED, "made for the mount point /home/alice/VirtualBox VMs"),
        (directory(b"/etc"), Verdict.PERSISTED, "made for the mount point"),
        (directory(b"/proc"), Verdict.IGNORED, "mount point of proc"),
        (directory(b"/tmp"), Verdict.IGNORED, "mount point of tmpfs"),
        (directory(b"/srv/cache"), Verdict.IGNORED, "made for the mount point /srv/cache/run"),
        # A directory that the blank has is not made for anything.
        (directory(b"/etc", Change.METADATA), Verdict.CRUD, NOTHING),
        # Symlinks to what lives on.
        (
            link(b"/home/alice/.local/share/Steam", b"/persist/home/alice/.local/share/Steam"),
            Verdict.PERSISTED,
            "symlink into /persist",
        ),
        (
            link(b"/home/alice/.screenrc", b"../../persist/home/alice/.screenrc"),
            Verdict.PERSISTED,
            "/persist",
        ),
        (link(b"/etc/static", b"/nix/store/abc-etc"), Verdict.PERSISTED, "symlink into /nix"),
        (link(b"/etc/x", b"//persist/x"), Verdict.PERSISTED, "symlink into /persist"),
        (link(b"/etc/x", b"/persist/../etc/y"), Verdict.CRUD, NOTHING),
        (link(b"/etc/x", b"/persistent/x"), Verdict.CRUD, NOTHING),
        (link(b"/etc/x", b"/tmp/x"), Verdict.CRUD, NOTHING),
        (link(b"/etc/resolv.conf", b"/run/systemd/resolve/stub-resolv.conf"), Verdict.CRUD, NOTHING),
        # Declared, and not mounted.
        (directory(b"/var/lib/bluetooth"), Verdict.DECLARED, "nothing is mounted there"),
        (difference(b"/var/lib/bluetooth/a/b"), Verdict.DECLARED, "below /var/lib/bluetooth, declared by"),
        (difference(b"/var/keys/secret_file"), Verdict.DECLARED, "declared by config.toml, here"),
        (directory(b"/var/keys"), Verdict.DECLARED, "parent of /var/keys/secret_file"),
        (difference(b"/var/keys/other"), Verdict.CRUD, NOTHING),
        (difference(b"/var/lib/bluetooth2"), Verdict.CRUD, NOTHING),
        (difference(b"/var/lib/colord", change=Change.DELETED), Verdict.DECLARED, "declared by"),
        # What lies under a mount was there before it.
        (difference(b"/var/log/early.log"), Verdict.HIDDEN, "hidden under the mount of /dev/vg/root"),
        (difference(b"/tmp/x"), Verdict.HIDDEN, "hidden under the mount of tmpfs at /tmp"),
        (difference(b"/var/log/a.swp"), Verdict.IGNORED, "ignored by the pattern *.swp"),
        # Patterns.
        (difference(b"/scratch/a/b"), Verdict.IGNORED, "ignored by the pattern /scratch/"),
        (difference(b"/a/scratch/b"), Verdict.CRUD, NOTHING),
        (difference(b"/a/.x.swp"), Verdict.IGNORED, "*.swp"),
        (difference(b"/a/keep.swp"), Verdict.CRUD, NOTHING),
        # The rest.
        (difference(b"/opt/thing"), Verdict.CRUD, NOTHING),
        (difference(b"/var/lib/machines", FileType.SUBVOLUME), Verdict.CRUD, NOTHING),
        (difference(b"/\xff\n"), Verdict.CRUD, NOTHING),
        (directory(b"/", Change.METADATA), Verdict.CRUD, NOTHING),
    ],
    ids=lambda value: value.path.decode("utf-8", "replace") if isinstance(value, Difference) else "",
)
def test_the_articles_layout(entry: Difference, verdict: Verdict, rule: str) -> None:
    found = ARTICLE.judge(entry)
    assert found.verdict is verdict, found
    assert rule in found.words
    assert (found.verdict is Verdict.HIDDEN) == rule.startswith("hidden under the mount")


@pytest.mark.parametrize(
    "persist",
    [b"/persist", b"/persistent", b"/persist/system", b"/nix/persist", b"/nix/state", b"/state", b"/keep"],
)
def test_every_persist_prefix_in_use(persist: bytes) -> None:
    rules = Rules([declared(b"/var/lib/x", persist=persist)], [], [], [persist])
    assert rules.judge(link(b"/etc/a", persist + b"/etc/a"))[0] is Verdict.PERSISTED
    assert rules.judge(link(b"/etc/a", persist))[0] is Verdict.PERSISTED
    assert rules.judge(link(b"/etc/a", persist + b"x/a"))[0] is Verdict.CRUD
    assert rules.judge(difference(b"/var/lib/x/y"))[0] is Verdict.DECLARED


def test_a_home_volume_of_its_own() -> None:
    """With root and home both wiped, home's rules see nothing mounted at /home itself."""
    rules = Rules(
        [declared(b"/home/alice/.ssh")], [mounted(b"/home/alice/.ssh")], ["/home/*/.cache/"], [b"/persist"]
    )
    assert rules.judge(directory(b"/home/alice"))[0] is Verdict.PERSISTED
    assert rules.judge(difference(b"/home/alice/.bash_history")) == Ruling(Verdict.CRUD, NOTHING)
    assert rules.judge(difference(b"/home/alice/.cache/x"))[0] is Verdict.IGNORED


def test_nearest_mount_and_nearest_declaration_are_named() -> None:
    rules = Rules(
        [declared(b"/a"), Declaration(b"/a/b", True, b"/persist", "inner")],
        [mounted(b"/m", b"outer"), mounted(b"/m/n", b"inner")],
        [],
        [],
    )
    assert "declared by inner" in rules.judge(difference(b"/a/b/c/d"))[1]
    assert "inner (btrfs)" in rules.judge(difference(b"/m/n/x"))[1]
    assert "outer (btrfs)" in rules.judge(difference(b"/m/x"))[1]


@hypothesis.settings(deadline=None)
@given(
    st.permutations(
        [b"/a", b"/a/b", b"/a/b/c", b"/m/n/x", b"/m/x", b"/d/e/f", b"/d", b"/x.swp/a", b"/a/x.swp"]
    )
)
def test_the_order_of_questions_does_not_matter(order: list[bytes]) -> None:
    """What is remembered of one directory must not leak into another."""

    def rules() -> Rules:
        return Rules(
            [declared(b"/d/e")], [mounted(b"/m/n"), mounted(b"/m", b"tmpfs", "tmpfs")], ["*.swp"], []
        )

    shared = rules()
    for path in order:
        assert shared.judge(difference(path)) == rules().judge(difference(path))


def test_very_deep_paths_need_no_recursion() -> None:
    deep = b"/d" * 20_000 + b"/file"
    assert Rules([declared(b"/d/d")], [], ["*.x"], []).judge(difference(deep))[0] is Verdict.DECLARED


def test_words_carry_no_control_characters() -> None:
    rules = Rules([], [mounted(b"/m\x1b", b"dev\n")], [], [])
    for entry in (directory(b"/m\x1b"), difference(b"/m\x1b/x")):
        assert rules.judge(entry)[1].isprintable()


def test_work_grows_with_the_entries_and_no_faster() -> None:
    declarations = [declared(b"/var/lib/d%d" % number) for number in range(100)]

    def judge(count: int) -> None:
        rules = Rules(declarations, [mounted(b"/nix")], ["/tmp/", "*.swp", "__pycache__/"], [b"/persist"])
        for number in range(count):
            rules.judge(difference(b"/srv/a%d/b%d/file%d" % (number % 10, number % 50, number)))

    assert calls(lambda: judge(4000)) < 2.1 * calls(lambda: judge(2000))
