"""What declarations are compiled into: the golden files, and what systemd thinks of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from impermanenced.config.placement import Placement
from impermanenced.errors import ConfigError
from impermanenced.keep import plan, units
from impermanenced.keep.ownership import Accounts, resolved
from impermanenced.keep.plan import Facts
from impermanenced.system import systemd_text
from tests.conftest import sh
from tests.unit.config.reading import ARTICLE, ROOT, parsed

GOLDEN = ROOT / "tests/golden/compiled"
ACCOUNTS = Accounts(
    {"root": (0, 0), "colord": (107, 115), "talyz": (1000, 100), "u": (5, 6)},
    {"root": 0, "colord": 115, "g": 7},
)
FACTS = Facts(ACCOUNTS, tops={b"/persist": b"persist"}, filesystem="00000000-0000-4000-8000-000000000000")
EVERYTHING = """
[persist."/persist"]
mount-options = ["noatime"]
directories = [
  {path = "/srv/100% \\"odd\\" caf\\u00e9", allow-trash = true, mount-options = ["noexec", "x-gdu.hide"]},
  {path = "/var/lib/private/app", user = "u", group = "g", mode = "0770"},
  {path = "/var/lib/service", exclude = ["cache", "deep/er"]},
  {path = "/var/log", phase = "initrd", mount-options = ["nodev"]},
  {path = "/opt/waits", hide-mount = true},
]
files = [
  {path = "/etc/ssh/ssh_host_ed25519_key", phase = "initrd", mode = "0600"},
  {path = "/etc/link", phase = "initrd", method = "symlink"},
  {path = "/etc/adjtime", method = "sync"},
  {path = "/etc/there", method = "auto"},
  {path = "/etc/absent", method = "auto"},
  {path = "/etc/dangles", method = "symlink", create-link-target = false},
  {path = "/etc/deep/file", parent-directory = {mode = "0711", user = "u"}},
  {path = "/etc/waits"},
]
[persist.games]
path = "/games"
directories = ["/srv/100% \\"odd\\" caf\\u00e9/inner/place"]
"""


def of(tmp_path: Path, text: str) -> tuple[Placement, ...]:
    """The declarations, as if the file were at its usual place."""
    found = parsed(tmp_path, text).placements
    return tuple(
        one._replace(
            declaration=one.declaration._replace(
                source=one.declaration.source.replace(os.fspath(tmp_path), "/etc/impermanence"),
            ),
        )
        for one in found
    )


def compiled(tmp_path: Path, name: str) -> dict[str, bytes]:
    text, facts = {
        "article": (ARTICLE, FACTS),
        "everything": (
            EVERYTHING,
            replace(
                FACTS, there=frozenset([b"/etc/there"]), waiting=frozenset([b"/opt/waits", b"/etc/waits"])
            ),
        ),
    }[name]
    return units.compiled(plan.make(of(tmp_path, text), facts))


@pytest.mark.parametrize("name", ["article", "everything"])
def test_the_compiled_files_are_the_golden_ones(tmp_path: Path, name: str) -> None:
    """GOLDEN=write makes them anew; read the difference before you commit it."""
    found = compiled(tmp_path, name)
    text = "".join(f"== {path}\n{content.decode()}\n" for path, content in found.items())
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("name", ["article", "everything"])
def test_systemd_understands_the_units(tmp_path: Path, name: str) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze: install systemd")
    directory = tmp_path / "system"
    for path, content in compiled(tmp_path, name).items():
        if path.startswith("units/"):
            place = directory / path.removeprefix("units/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    names = [path for path in directory.iterdir() if path.is_file()]
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{directory}:"},
    )
    mine = [line for line in result.stderr.splitlines() if str(directory) in line or "cycle" in line]
    assert (result.returncode, mine) == (0, []), result.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away: run make test as root")
@pytest.mark.parametrize("name", ["article", "everything"])
def test_systemd_tmpfiles_creates_what_is_missing_and_no_more(tmp_path: Path, name: str) -> None:
    if shutil.which("systemd-tmpfiles") is None:
        pytest.skip("needs systemd-tmpfiles: install systemd")
    root = tmp_path / "root"
    lines = compiled(tmp_path, name)["tmpfiles/impermanence.conf"]
    for path in ("etc", "var/lib/private", "persist/etc", "games"):
        (root / path).mkdir(parents=True)
    (root / "var/lib/private").chmod(0o700)
    (root / "etc").chmod(0o711)  # as somebody wanted it
    (root / "persist/etc/adjtime").write_text("0.0\n")
    root.chmod(0o751)
    (tmp_path / "lines.conf").write_bytes(lines)
    said = subprocess.run(
        ["systemd-tmpfiles", "--create", f"--root={root}", tmp_path / "lines.conf"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.returncode, said.stderr) == (0, "")
    facts = {os.fsencode(f"/{path.relative_to(root)}"): os.lstat(path) for path in root.rglob("*")}
    for made in plan.make(of(tmp_path, ARTICLE if name == "article" else EVERYTHING), FACTS).made:
        found = facts[made.path]
        if made.path in (b"/etc", b"/var/lib/private", b"/persist/etc") or made.kind != "directory":
            continue
        owner = made.owner
        assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (owner.mode, owner.uid, owner.gid)
    assert facts[b"/etc"].st_mode & 0o7777 == 0o711, "what is there keeps its mode"
    assert facts[b"/var/lib/private"].st_mode & 0o7777 == 0o700
    assert root.stat().st_mode & 0o7777 == 0o751, "/ is not touched"
    links = [path for path in root.rglob("*") if path.is_symlink()]
    dangling = [path for path in links if not (root / os.readlink(path).lstrip("/")).exists()]
    assert [path.name for path in dangling] == (["dangles"] if name == "everything" else [])


def made(tmp_path: Path, text: str, facts: Facts = FACTS) -> dict[bytes, tuple[int, int, int]]:
    found = plan.make(of(tmp_path, text), facts).made
    return {one.path: (one.owner.mode, one.owner.uid, one.owner.gid) for one in found}


def test_defaults_by_place(tmp_path: Path) -> None:
    found = made(
        tmp_path,
        """
    [persist."/persist"]
    directories = ["/var/lib/private/x", "/root/x"]
    files = ["/etc/f"]
    [persist."/persist".users.talyz]
    directories = [".local/share/x"]
    files = [".config/f"]
    """,
    )
    assert found[b"/home"] == (0o755, 0, 0)
    assert found[b"/home/talyz"] == found[b"/persist/home/talyz"] == (0o700, 1000, 100)
    assert found[b"/home/talyz/.local/share"] == found[b"/persist/home/talyz/.local"] == (0o700, 1000, 100)
    assert found[b"/home/talyz/.config/f"] == (0o600, 1000, 100)
    assert found[b"/var/lib/private"] == found[b"/root"] == (0o700, 0, 0)
    assert found[b"/etc/f"] == (0o644, 0, 0)
    assert b"/" not in found and b"/persist" not in found


def test_what_is_said_goes_before_a_default(tmp_path: Path) -> None:
    found = made(
        tmp_path,
        """
    [persist."/persist"]
    files = ["/etc/x/a", {path = "/etc/x/b", parent-directory = {mode = "0711", group = "g"}}]
    [persist.other]
    path = "/other"
    default-permissions = {user = "u", mode = "0750"}
    directories = ["/srv/a/b"]
    """,
    )
    assert found[b"/etc/x"] == found[b"/persist/etc/x"] == (0o711, 0, 7)
    assert found[b"/srv/a/b"] == found[b"/other/srv/a"] == found[b"/srv/a"] == found[b"/srv"] == (0o750, 5, 0)


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [
        ("0700", 0o755, 0o700), ("u=rwx,g=rx,o=", 0o755, 0o750), ("u=rwx,g=,o=", 0o644, 0o700),
        ("o-rx", 0o755, 0o750), ("a=r", 0o755, 0o444), ("g+ws", 0o755, 0o2775), ("ug=rwX", 0o600, 0o770),
        ("2770", 0, 0o2770), ("o+t", 0o777, 0o1777),
    ],
)  # fmt: skip
def test_modes(mode: str, before: int, after: int) -> None:
    assert resolved(mode, before) == after


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'directories = [{path = "/a", user = "nobody-here"}]',
            "there is no user nobody-here in this system",
        ),
        ('directories = [{path = "/a", group = "nogroup-here"}]', "there is no group nogroup-here"),
        ('files = [{path = "/a/b", parent-directory = {user = "x"}}]', "there is no user x"),
        ('users.nobody-here.files = ["a"]', "there is no user nobody-here"),
        (r"directories = ['/a\xff']", r"/a\xff: its name is not UTF-8"),
        (r"directories = ['/a\x1b']", r"/a\x1b: its name has a character that cannot be seen"),
        ('directories = ["/a "]', "its name ends with a blank or a backslash"),
        (f'directories = ["/{"a-" * 70}"]', "the name of its mount unit would have"),
    ],
)
def test_what_no_boot_could_do_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan.make(of(tmp_path, f'[persist."/persist"]\n{text}'), FACTS)
    assert caught.value.message.startswith("/etc/impermanence/config.toml, persist.")
    assert message in caught.value.message
    assert caught.value.message.isprintable() and caught.value.hint


def test_the_initrd_takes_any_name_of_its_filesystem(tmp_path: Path) -> None:
    text = r"""[persist."/persist"]
    directories = [{path = '/a\xff', phase = "initrd"}]"""
    files = units.compiled(plan.make(of(tmp_path, text), FACTS))
    assert b"PLACE=/a%FF\n" in files["early"]
    assert b"SOURCE=persist/a%FF\n" in files["early"]
    with pytest.raises(ConfigError, match="is not on the filesystem of the root"):
        plan.make(of(tmp_path, text), replace(FACTS, tops={}))


def test_without_declarations_nothing_is_wanted() -> None:
    """And that goes before what an older root may have."""
    (name, content), *others = units.compiled(plan.make((), FACTS)).items()
    assert (name, others) == ("units/impermanence.target", [])
    assert b"Wants=" not in content


@pytest.mark.parametrize(
    "path",
    [
        b"/",
        b"/var/log",
        b"/a-b",
        b"/.hidden/x",
        b"/a b",
        "/caf\xe9".encode(),
        b"/a\\b",
        b"/a/.b",
        b"/100%",
        b"/_:.",
    ],
)
def test_names_of_units_are_systemds(path: bytes) -> None:
    if shutil.which("systemd-escape") is None:
        pytest.skip("needs systemd-escape: install systemd")
    assert systemd_text.unit_name(path) == sh("systemd-escape", "--path", "--suffix=mount", path).strip()
