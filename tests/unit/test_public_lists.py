"""What others publish of paths, beside what is said here: counted, and no rule is made of it.

`make build/public` fetches the lists; they are under the GPL, so they are not in this tree.  cruft-ng lists
for each package of Debian what it makes at run time, whether that is dear to somebody or not; mackup lists
what is worth keeping.  A list of excludes of a home, a path or pattern in each line, such as rubo77's
rsync-homedir-excludes, is read if IMPERMANENCE_EXCLUDES names it.
"""

from __future__ import annotations

import configparser
import os
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.model import FileType
from impermanenced.report.knowledge import DATA, Knowledge, load

PUBLIC = Path(__file__).parents[2] / "build/public"
RULESET = PUBLIC / "cruft-ng/usr/share/cruft/ruleset"
EXCLUDES = os.environ.get("IMPERMANENCE_EXCLUDES", "")
# Where what packages make is no loss but for the exceptions that rules name.
QUIET = ("/var/cache/", "/usr/lib/modules/", "/usr/share/mime/", "/var/lib/aspell/", "/var/lib/ispell/")


@pytest.fixture(scope="module")
def knowledge() -> Knowledge:
    return load([DATA])


def concrete(pattern: str) -> bytes:
    """Return a path that a pattern matches."""
    text = re.sub(r"\[[^]]*\]", "3", pattern.rstrip())
    text = re.sub(r"/\*+$|/$", "/x", text)
    return os.fsencode(text.replace("**", "y").replace("*", "3f2a").replace("?", "3"))


def quiet(knowledge: Knowledge, path: bytes) -> bool:
    fact = knowledge.of(path, FileType.FILE)
    return fact is not None and fact.verdict_hint != "crud"


def shown(capsys: pytest.CaptureFixture[str], words: str) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\npublic lists, {words}\n")


def test_cruft_ng(knowledge: Knowledge, capsys: pytest.CaptureFixture[str]) -> None:
    if not RULESET.is_file():
        pytest.skip("the rules of cruft-ng are missing: make build/public")
    patterns = [line for line in RULESET.read_text("utf-8", "replace").split("\n") if line.startswith("/")]
    said = {pattern: quiet(knowledge, concrete(pattern)) for pattern in patterns}
    sure = [pattern for pattern in said if pattern.startswith(QUIET)]
    shown(
        capsys,
        f"cruft-ng: {len(said)} patterns of what packages make, {sum(said.values())} of them no loss; "
        f"of {len(sure)} in places of caches {sum(said[pattern] for pattern in sure)}",
    )
    assert len(said) > 1000
    assert sum(said[pattern] for pattern in sure) >= 0.94 * len(sure)
    assert sum(said.values()) >= 0.25 * len(said)


def test_mackup(knowledge: Knowledge, capsys: pytest.CaptureFixture[str]) -> None:
    wheels = sorted(PUBLIC.glob("mackup-*.whl"))
    if not wheels:
        pytest.skip("the list of mackup is missing: make build/public")
    paths = sorted(set(kept(wheels[-1])))
    lost = [path for path in paths if quiet(knowledge, path)]
    shown(capsys, f"mackup: {len(paths)} paths worth keeping, {len(paths) - len(lost)} of them a loss")
    assert len(paths) > 300
    assert len(lost) <= 0.01 * len(paths), lost


def kept(wheel: Path) -> Iterator[bytes]:
    """The paths in homes that mackup keeps, but for those of other systems."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if not name.endswith(".cfg"):
                continue
            parser = configparser.ConfigParser(allow_no_value=True, interpolation=None, strict=False)
            parser.optionxform = str  # type: ignore[assignment,method-assign]
            parser.read_string(archive.read(name).decode())
            for section, above in (("configuration_files", ""), ("xdg_configuration_files", ".config/")):
                for path in parser[section] if parser.has_section(section) else ():
                    if not path.startswith(("Library/", "Documents/", "bin")) and "Library/" not in path:
                        yield b"/home/alice/" + os.fsencode(above + path.strip("/"))


@pytest.mark.skipif(not EXCLUDES, reason="IMPERMANENCE_EXCLUDES names no list")
def test_a_list_of_excludes(knowledge: Knowledge, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line.strip() for line in Path(EXCLUDES).read_text("utf-8", "replace").split("\n")]
    patterns = [line.lstrip("/") for line in lines if line and not line.startswith("#")]
    said = [
        any(quiet(knowledge, b"/home/alice/" + concrete(one)) for one in (pattern, f"{pattern}/x"))
        for pattern in patterns
    ]
    shown(capsys, f"excludes: {len(said)} patterns that somebody excludes, {sum(said)} of them no loss")
