"""What a project says of itself, by files that nobody has to run."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from impermanenced.model import Entry, Verdict
from impermanenced.report.knowledge import DATA, Knowledge, load
from tests.corpus.appraised import appraised, made, with_directories

HOME = b"/home/alice/code/app"
TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n"
IGNORED, CRUD = Verdict.IGNORED, Verdict.CRUD


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return load([DATA])


def judged(
    root: Path, knowledge: Knowledge, contents: dict[bytes, bytes], faults: list[str] | None = None
) -> dict[bytes, Entry]:
    """What is said of these files of a project."""
    paths = {HOME + path: content for path, content in contents.items()}
    for path, content in paths.items():
        made(root, path, content)
    found = appraised(root, knowledge, with_directories(root, paths), faults=faults)
    return {path.removeprefix(HOME): entry for path, entry in found.items()}


def repository(**files: bytes) -> dict[bytes, bytes]:
    return {
        b"/.git/HEAD": b"ref: refs/heads/main\n",
        **{os.fsencode(f"/{name}"): text for name, text in files.items()},
    }


@pytest.mark.parametrize(
    ("built", "manifest"),
    [
        (b"/target/x86_64/x", b"/Cargo.toml"),
        (b"/_build/dev/x", b"/mix.exs"),
        (b"/dist/bundle.js", b"/package.json"),
        (b"/build/lib/x.py", b"/pyproject.toml"),
        (b"/obj/Debug/x.dll", b"/app.csproj"),
        (b"/Library/ArtifactDB", b"/ProjectSettings/x.asset"),
    ],
)
def test_a_build_directory_beside_its_manifest(
    knowledge: Knowledge, tmp_path: Path, built: bytes, manifest: bytes
) -> None:
    found = judged(tmp_path, knowledge, {built: b"x", manifest: b"x", b"/src/main": b"x"})
    assert found[built].verdict is IGNORED and found[built].rule.startswith("a build makes it again: ")
    assert found[b"/src/main"].verdict is found[manifest].verdict is CRUD
    assert found[built[: built.index(b"/", 1)]].verdict is IGNORED  # nothing else is in the directory


def test_the_same_name_without_a_manifest_is_a_person_s(knowledge: Knowledge, tmp_path: Path) -> None:
    found = judged(tmp_path, knowledge, {b"/dist/plan.txt": b"x", b"/out/plan.txt": b"x"})
    assert {entry.verdict for path, entry in found.items() if path.endswith(b".txt")} == {CRUD}


def test_a_cache_that_says_so(knowledge: Knowledge, tmp_path: Path) -> None:
    contents = {
        b"/thing/CACHEDIR.TAG": TAG,
        b"/thing/a/b": b"x",
        b"/other/CACHEDIR.TAG": b"x",
        b"/other/a": b"x",
    }
    found = judged(tmp_path, knowledge, contents)
    assert found[b"/thing/a/b"].verdict is IGNORED and "is a cache" in found[b"/thing/a/b"].rule
    assert found[b"/other/a"].verdict is CRUD


def test_what_git_ignores(knowledge: Knowledge, tmp_path: Path) -> None:
    """Every path is said as git says it."""
    lines = b"# made\n*.out\n/gen/\n!gen/kept\nlogs/**/x\n!important.out\n\\#odd\n"
    contents = repository(**{".gitignore": lines, "sub/.gitignore": b"!*.out\nlocal\n"}) | {
        b"/.git/info/exclude": b"private.txt\n",
        **dict.fromkeys(
            (b"/a.out", b"/important.out", b"/gen/x", b"/gen/kept", b"/logs/a/b/x", b"/logs/y", b"/sub/a.out",
             b"/sub/local", b"/local", b"/#odd", b"/sub/gen/x", b"/private.txt", b"/src/main.c"),
            b"x",
        ),
    }  # fmt: skip
    found = judged(tmp_path, knowledge, contents)
    tree = os.fsdecode(os.fsencode(tmp_path) + HOME)
    subprocess.run(["git", "init", "--quiet", tree], check=True)
    (Path(tree) / ".git/info/exclude").write_bytes(b"private.txt\n")
    names = [path[1:] for path in contents if not path.startswith(b"/.git/")]
    argv = ["git", "-C", tree, "check-ignore", "--no-index", "--stdin", "-z"]
    ignored = subprocess.run(argv, input=b"\0".join(names), capture_output=True, check=False).stdout.split(
        b"\0"
    )
    for name in names:
        verdict = found[b"/" + name].verdict
        assert verdict is (IGNORED if name in ignored else CRUD), name
    assert found[b"/a.out"].rule == "git ignores it: /home/alice/code/app/.gitignore, *.out"


def test_what_git_ignores_is_no_excuse_to_lose_a_secret_or_a_database(
    knowledge: Knowledge, tmp_path: Path
) -> None:
    """It is on no remote."""
    dear = {
        b"/.env": b"PASSWORD=x", b"/deploy.key": b"x", b"/data.sqlite3": b"x",
        b"/budget.ods": b"x", b"/odd": b"SQLite format 3\0" + bytes(90),
        b"/id": b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + b"x" * 90,
    }  # fmt: skip
    found = judged(tmp_path, knowledge, repository(**{".gitignore": b"*\n"}) | dear | {b"/x.bin": b"\1" * 99})
    assert {found[path].verdict for path in dear} == {CRUD}
    assert found[b"/x.bin"].verdict is IGNORED


def test_nobody_speaks_for_another_user(knowledge: Knowledge, tmp_path: Path) -> None:
    contents = repository(**{".gitignore": b"*\n"}) | {
        b"/CACHEDIR.TAG": TAG,
        b"/package.json": b"x",
        b"/dist/x": b"x",
    }
    for path, content in contents.items():
        os.chown(made(tmp_path, HOME + path, content), 1001, 1001)
    found = judged(tmp_path, knowledge, {b"/dist/y": b"x", b"/z": b"x"})
    everything = with_directories(tmp_path, [HOME + path for path in (*contents, b"/dist/y", b"/z")])
    found = appraised(tmp_path, knowledge, everything)
    assert found[HOME + b"/dist/y"].verdict is found[HOME + b"/z"].verdict is CRUD
    assert found[HOME + b"/dist/x"].verdict is IGNORED


@pytest.mark.parametrize("what", ["link", "fifo", "huge", "lines", "many", "binary"])
def test_a_hostile_ignore_file(knowledge: Knowledge, tmp_path: Path, what: str) -> None:
    """It hides nothing, and costs no more than a little; one that is too large is said."""
    hostile = b"".join(b"*a*%d*b*c*d*e*f*g*h*\n" % number for number in range(900))
    contents = repository(**{".gitignore": b"\xff\0*\n\n!\n[[[\n/\n" if what == "binary" else hostile})
    contents |= {b"/" + b"a" * 200 + b"%d" % number: b"x" for number in range(300)}
    if what in ("huge", "lines"):
        contents[b"/.gitignore"] = b"*" + b"x" * (70 << 10) if what == "huge" else b"*\n" * 1001
    if what == "many":
        contents |= {
            b"/%d/%s" % (number, name): hostile for number in range(40) for name in (b".gitignore", b"x")
        }
    faults: list[str] = []
    for path, content in contents.items():
        made(tmp_path, HOME + path, content)
    place = Path(os.fsdecode(os.fsencode(tmp_path) + HOME)) / ".gitignore"
    differences = with_directories(tmp_path, [HOME + path for path in contents])
    if what in ("link", "fifo"):
        place.unlink()
        if what == "link":
            (tmp_path / "all").write_bytes(b"*\n")
            place.symlink_to(tmp_path / "all")
        else:
            os.mkfifo(place)
    began = time.process_time()
    found = appraised(tmp_path, knowledge, differences, faults=faults)
    assert time.process_time() - began < 20
    assert {entry.verdict for path, entry in found.items() if b"aaaa" in path} == {CRUD}
    assert any("too large" in fault for fault in faults) is (what in ("huge", "lines", "many"))
