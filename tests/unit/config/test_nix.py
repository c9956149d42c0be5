"""An evaluated NixOS configuration becomes declarations of ours, which say the same."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from impermanenced.cli.main import main
from impermanenced.config.nix import Evaluated, sorted_by_path
from impermanenced.config.placement import Placement
from impermanenced.errors import ConfigError

from .reading import ARTICLE, parsed

imported = importlib.import_module("impermanenced.cli.commands.import")


def directory(path: str, **options: Any) -> dict[str, Any]:
    """As impermanence has it when everything is evaluated."""
    return {
        "persistentStoragePath": "/persist", "home": None, "enableDebugging": False, "hideMount": True,
        "defaultPerms": {"user": "root", "group": "root", "mode": "0755"}, "dirPath": path,
        "directory": path, "user": "root", "group": "root", "mode": "0755", **options,
    }  # fmt: skip


def file(path: str, **options: Any) -> dict[str, Any]:
    around = {"directory": path, "user": "root", "group": "root", "mode": "0755", "home": None}
    return {
        "persistentStoragePath": "/persist", "home": None, "enableDebugging": False, "filePath": path,
        "file": path, "parentDirectory": around, "method": "auto", **options,
    }  # fmt: skip


def of_user(path: str, **options: Any) -> dict[str, Any]:
    here = {"home": "/home/talyz", "dirPath": f"/home/talyz/{path}", "user": "talyz", "group": "users"}
    return directory(path, **here, **options)


def article() -> dict[str, Any]:
    """The declarations of the article's author, evaluated."""
    system = (
        "/etc/nixos", "/var/log", "/var/lib/bluetooth", "/var/lib/nixos", "/var/lib/systemd/coredump",
        "/etc/NetworkManager/system-connections",
    )  # fmt: skip
    private = (".gnupg", ".ssh", ".nixops", ".local/share/keyrings")
    plain = ("Downloads", "Music", "Pictures", "Documents", "Videos", "VirtualBox VMs", ".local/share/direnv")
    secret = file("/var/keys/secret_file")
    secret["parentDirectory"] |= {"mode": "u=rwx,g=,o="}
    return {
        "/persist": {
            "enable": True, "hideMounts": True, "enableDebugging": False, "enableWarnings": True,
            "persistentStoragePath": "/persist",
            "directories": [
                *map(directory, system),
                directory("/var/lib/colord", user="colord", group="colord", mode="u=rwx,g=rx,o="),
            ],
            "files": [file("/etc/machine-id"), secret],
            "users": {
                "talyz": {
                    "name": "talyz", "home": "/home/talyz", "enableDebugging": False,
                    "directories": [
                        *map(of_user, plain),
                        *(of_user(path, mode="0700") for path in private),
                        of_user(".local/share/Steam", method="symlink"),
                    ],
                    "files": [file(".screenrc", home="/home/talyz")],
                }
            },
        }
    }  # fmt: skip


def bare(placements: tuple[Placement, ...]) -> list[Placement]:
    return [
        one._replace(declaration=one.declaration._replace(source="")) for one in sorted_by_path(placements)
    ]


def paths(placements: tuple[Placement, ...]) -> set[tuple[bytes, bool, bytes, str | None]]:
    return {
        (one.declaration.path, one.declaration.directory, one.declaration.persist, one.user)
        for one in placements
    }


def test_the_article_is_what_it_is_written_by_hand(tmp_path: Path) -> None:
    evaluated = Evaluated(article(), "x.json")
    assert evaluated.left_out == []
    by_hand = parsed(tmp_path, ARTICLE).placements
    assert paths(evaluated.placements) == paths(by_hand)
    found = {one.declaration.path: one for one in evaluated.placements}
    colord = found[b"/var/lib/colord"].own
    assert (colord.user, colord.group, colord.mode) == ("colord", "colord", "u=rwx,g=rx,o=")
    assert found[b"/var/keys/secret_file"].parent.mode == "u=rwx,g=,o="
    assert found[b"/home/talyz/.local/share/Steam"].method == "symlink"
    assert found[b"/home/talyz/.ssh"].own.mode == "0700"


@pytest.mark.parametrize("outer", [(), ("persistence",), ("environment", "persistence")])
def test_what_is_written_reads_back_as_the_same(tmp_path: Path, outer: tuple[str, ...]) -> None:
    document: Any = article()
    for key in reversed(outer):
        document = {key: document}
    (tmp_path / "x.json").write_text(json.dumps(document))
    found = imported.of_file(bytes(tmp_path / "x.json"))
    written = imported.text(found.placements, found.left_out)
    assert bare(parsed(tmp_path, written).placements) == bare(found.placements)
    assert 'mode = "0755"' not in written.partition(".users.")[0], "what is usual is not said"


def test_preservation(tmp_path: Path) -> None:
    parent = {"user": "root", "group": "root", "mode": "0755"}
    common = {"how": "bindmount", "user": "root", "group": "root", "configureParent": False, "parent": parent}
    document = {
        "enable": True,
        "preserveAt": {
            "/persistent": {
                "persistentStoragePath": "/persistent",
                "commonMountOptions": [{"name": "x-gvfs-hide", "value": None}],
                "directories": [
                    {"directory": "/var/lib/x", "mode": "0700", "mountOptions": [], **common},
                ],
                "files": [{"file": "/etc/machine-id", "inInitrd": True, "mode": "0644", **common}],
                "users": {
                    "bob": {
                        "username": "bob", "home": "/home/bob", "commonMountOptions": [], "files": [],
                        "directories": [{"directory": ".ssh", "mode": "0700", "how": "symlink"}],
                    }
                },
            }
        },
    }  # fmt: skip
    evaluated = Evaluated(document, "x.json")
    found = {one.declaration.path: one for one in evaluated.placements}
    assert found[b"/etc/machine-id"].details.phase == "initrd"
    assert found[b"/var/lib/x"].details.options == ("x-gvfs-hide",)
    assert (found[b"/home/bob/.ssh"].method, found[b"/home/bob/.ssh"].user) == ("symlink", "bob")
    written = imported.text(evaluated.placements, ())
    assert bare(parsed(tmp_path, written).placements) == bare(evaluated.placements)


def test_a_name_that_means_nothing_is_said() -> None:
    document = article()
    document["/persist"]["directories"][0]["newOption"] = 1
    evaluated = Evaluated(document, "x.json")
    (left,) = evaluated.left_out
    assert left.endswith('"/persist".directories[0].newOption')
    assert "# left out: " in imported.text(evaluated.placements, evaluated.left_out)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "[] is no object with persist volumes"),
        ({"/persist": 1}, 'x.json: "/persist": '),
        ({"persist": {"directories": ["/a"]}}, '"persist" is not absolute'),
        ({"/persist": {"directories": ["/a/../b"]}}, '".." in it'),
        ({"/persist": {"directories": [{"directory": "/proc/x"}]}}, "is in /proc"),
        ({"/persist": {"directories": ["/a"], "files": ["/a"]}}, "is declared otherwise"),
        ({"/persist": {"directories": ["/a", "/a/b"]}}, "is inside"),
        ({"/persist": {"files": [{"file": 1}]}}, "1 is not an absolute path"),
    ],
)
def test_what_is_refused_names_the_place(document: object, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Evaluated(document, "x.json")
    assert message in caught.value.message and caught.value.message.startswith("x.json: ")


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        ("{", 1, "no JSON"),
        ("[" * 100_000, 1, "no JSON: nested too deeply"),
        (None, 2, "no such file"),
        ('{"/persist": {"files": ["/a\\u001b[31m/"]}}', 0, ""),
    ],
)
def test_bad_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, code: int, message: str
) -> None:
    if content is not None:
        (tmp_path / "x.json").write_text(content)
    (tmp_path / "c.toml").touch()
    argv = ["--config", str(tmp_path / "c.toml"), "import", "--dry-run", str(tmp_path / "x.json")]
    assert main(argv) == code
    said = capsys.readouterr()
    assert message in said.err and "\x1b" not in said.out
