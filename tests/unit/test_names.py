"""The names by which a machine calls its programs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from impermanenced.report.appraisal.names import LARGEST, Names
from impermanenced.report.knowledge import DATA, load
from tests.corpus.appraised import said

APPLICATIONS, METAINFO = "usr/share/applications", "usr/share/metainfo"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    for place in (APPLICATIONS, METAINFO):
        (tmp_path / place).mkdir(parents=True)
    yield tmp_path


def name(root: Path, component: str) -> str:
    fd = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        return Names(fd).of(component)
    finally:
        os.close(fd)


def test_a_desktop_file_and_appstream_say_how_it_is_written(root: Path) -> None:
    desktop = "# x\n[Desktop Action x]\nName=No\n[Desktop Entry]\nName[de]=Falsch\nName = FreshRSS \n"
    (root / APPLICATIONS / "org.example.freshrss.desktop").write_text(desktop)
    stream = '<component><id>im.nheko.Nheko</id><name>Nheko</name><name xml:lang="de">X</name></component>'
    (root / METAINFO / "im.nheko.nheko.appdata.xml").write_text(stream)
    assert (name(root, "freshrss"), name(root, "nheko"), name(root, "other")) == (
        "FreshRSS",
        "Nheko",
        "other",
    )
    found = said(root, load([DATA]), {b"/home/alice/.config/nheko/x": b"x"})
    assert found[b"/home/alice/.config/nheko/x"].application == "Nheko"


def test_a_unit_s_description_if_it_is_a_name_of_it(root: Path) -> None:
    names = Names(-1)
    assert names.of_unit("sonarr", "Sonarr Daemon") == "Sonarr Daemon"
    assert names.of_unit("kuma", "A fancy tool") == "kuma"
    assert names.of_unit("sonarr", "Sonarr\x1b[31m") == "Sonarr\\x1b[31m"
    assert names.of_unit("sonarr", "Sonarr " * 90) == "sonarr"


@pytest.mark.parametrize("what", ["link", "fifo", "huge", "other", "long", "user", "slow"])
def test_a_hostile_desktop_file_gives_no_name(root: Path, what: str) -> None:
    file = root / APPLICATIONS / "thing.desktop"
    entry = "[Desktop Entry]\nName=Thing!\nExec=touch /tmp/executed\n"
    match what:
        case "link":
            (root / "elsewhere").write_text(entry)
            file.symlink_to(root / "elsewhere")
        case "fifo":
            os.mkfifo(file)
        case "huge":
            file.write_text(entry + "#" * LARGEST)
        case "other":
            file.write_text("[Desktop Entry]\nName=Your bank\n")
        case "long":
            file.write_text(f"[Desktop Entry]\nName=Thing{'x' * 90}\n")
        case "user":
            file.write_text(entry)
            os.chown(file, 1000, 1000)
        case "slow":
            file.write_text("[Desktop Entry]\n" + "[Desktop Entry]x\n" * 4000 + "Name\n" * 100)
    assert name(root, "thing") == "thing"


def test_control_characters_are_escaped(root: Path) -> None:
    (root / APPLICATIONS / "thing.desktop").write_bytes(b"[Desktop Entry]\nName=Thing\x1b[31m\xff\n")
    assert name(root, "thing") == "Thing\\x1b[31m\\xff"
