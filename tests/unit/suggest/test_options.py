"""Every option that `suggest` writes is one that the modules have: tests/nix/options holds theirs."""

from __future__ import annotations

import functools
import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from impermanenced.report.knowledge import files as knowledge
from tests.conftest import sh
from tests.unit.config.reading import ARTICLE
from tests.unit.reports import entry

from .system import PASSWD, evaluated
from .written import ODD, suggestion

FACTS = Path(__file__).parents[2] / "nix/options"

OPEN = ("<name>", "<path>", "<user>")  # parts of names that stand for any

FORMATS = ("impermanence", "preservation", "home-manager")

# A volume with what modules get wrong: a private directory of services, a closed directory in a home.
CLOSED = """
[persist."/persist"]
hide-mounts = true
directories = ["/var/lib/private/thing", {path = "/srv/seen", hide-mount = false}]
[persist."/persist".users.alice]
directories = [".config/fish", {path = ".local/share/x", method = "symlink"}]
files = [".config/y/z", ".config/fish.d/a"]
"""


@functools.cache
def facts(name: str) -> dict[str, Any]:
    """Return the options of a module by their names."""
    found: dict[str, Any] = json.loads((FACTS / f"{name}.json").read_text())["options"]
    return found


def walk(value: Any, name: str, known: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield (name of the option, value) of each leaf, by the names of the facts."""
    kind = known.get(name, {}).get("type", "")
    if isinstance(value, dict):
        open_name = next((f"{name}.{any_}" for any_ in OPEN if _is_open(name, any_, known)), "")
        for key, one in value.items():
            yield from walk(one, open_name or f"{name}.{key}".lstrip("."), known)
    elif isinstance(value, list) and "submodule" in kind:
        yield name, []
        for one in value:
            yield from walk(one, f"{name}.*", known) if isinstance(one, dict) else ()
    else:
        yield name, value


def _is_open(name: str, any_: str, known: dict[str, Any]) -> bool:
    return any(option.startswith(f"{name}.{any_}") for option in known)


def check(name: str, value: Any, known: dict[str, Any]) -> None:
    assert name in known, f"{name}: there is no such option"
    fact = known[name]
    assert not fact["removed"], f"{name} was removed"
    kind = fact["type"]
    if kind == "boolean":
        assert isinstance(value, bool), name
    elif words := re.findall(r'"(\w+)"', kind):
        assert value in words, f"{name}: {value}"
    elif kind.startswith("list of"):
        assert isinstance(value, list), name
    else:
        assert isinstance(value, str), name


def leaves(text: str, format: str) -> list[tuple[str, Any]]:
    """Return the options that a module sets, without those of NixOS itself."""
    module = evaluated(text)
    if format == "home-manager":
        homes = module["home-manager"]["users"].values()
        return [leaf for home in homes for leaf in walk(home, "", facts(format))]
    top = {"impermanence": "environment", "preservation": "preservation"}[format]
    return list(walk({top: module[top]}, "", facts(format)))


@pytest.mark.parametrize("text", [ARTICLE, ODD, CLOSED], ids=["article", "odd", "closed"])
@pytest.mark.parametrize("format", FORMATS)
def test_only_options_that_the_modules_have(tmp_path: Path, format: str, text: str) -> None:
    populate(tmp_path / "root")
    found = leaves(suggestion(tmp_path, text, "--whole", "--format", format), format)
    assert len(found) > 2
    for name, value in found:
        check(name, value, facts(format))
        if name.endswith(".mode") and format == "preservation":
            assert re.fullmatch("[0-7]{3,4}", value), f"{name}: {value}"


def populate(root: Path) -> None:
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text(PASSWD)
    (root / "etc/group").write_text("root:x:0:\nalice:x:1000:\n")
    for path, uid, mode in (
        ("var/lib/private/thing", 0, 0o755),
        ("var/lib/private", 0, 0o700),
        ("home/alice/.config/fish", 1000, 0o755),
        ("home/alice/.config", 1000, 0o700),
        ("home/alice", 1000, 0o700),
        ("home/alice/.local/share/x", 1000, 0o755),
        ("home/alice/.local/share", 1000, 0o755),
        ("home/alice/.local", 1000, 0o755),
    ):
        (root / path).mkdir(parents=True, exist_ok=True)
        (root / path).chmod(mode)
        os.chown(root / path, uid, uid)


def test_what_is_closed_stays_closed(tmp_path: Path) -> None:
    populate(tmp_path / "root")
    private = {"user": "root", "group": "root", "mode": "0700"}
    config = {"user": "alice", "group": "alice", "mode": "0700"}
    module = evaluated(suggestion(tmp_path, CLOSED, "--whole", "--format", "impermanence"))
    assert module["systemd"]["tmpfiles"]["settings"]["impermanence"] == {
        f"{store}{path}": {"d": own}
        for path, own in (("/var/lib/private", private), ("/home/alice/.config", config))
        for store in ("", "/persist")
    }
    module = evaluated(suggestion(tmp_path, CLOSED, "--whole", "--format", "preservation"))
    assert list(module) == ["preservation"]
    at = module["preservation"]["preserveAt"]["/persist"]
    way = {"how": "_intermediate"}
    assert {"directory": "/var/lib/private", **way, **private} in at["directories"]
    assert {"directory": ".config", **way, **config} in at["users"]["alice"]["directories"]
    steam = next(one for one in at["users"]["alice"]["directories"] if "symlink" in one.values())
    assert steam["configureParent"] is False
    # One entry of the block is not hidden, so each of the others says it.
    assert "commonMountOptions" not in at
    assert {"directory": "/var/lib/private/thing", "mountOptions": ["x-gvfs-hide"]} in at["directories"]
    assert "/srv/seen" in at["directories"]


def test_modes_for_preservation_are_obeyed(tmp_path: Path) -> None:
    """By the real systemd-tmpfiles, which takes no mode by letters."""
    at = evaluated(suggestion(tmp_path, ARTICLE, "--whole", "--format", "preservation"))["preservation"]
    modes = {one["mode"] for one in at["preserveAt"]["/persist"]["directories"] if "mode" in one}
    assert modes == {"0750"}
    (tmp_path / "x.conf").write_text("".join(f"d /made {mode} - - -\n" for mode in modes))
    sh("systemd-tmpfiles", f"--root={tmp_path}", "--create", tmp_path / "x.conf")
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o750


def test_a_new_suggestion_has_the_users_home_alone(tmp_path: Path) -> None:
    populate(tmp_path / "root")
    lost = [entry("/srv/bob/notes.txt")]
    for format in FORMATS:
        text = suggestion(tmp_path, "", "--format", format, entries=lost)
        for name, value in leaves(text, format):
            check(name, value, facts(format))
        assert ("home = " in text) == (format == "preservation")


def test_each_option_of_home_manager_that_advice_names_is_one() -> None:
    known = set(json.loads((FACTS / "home-manager.json").read_text())["known"])
    named = {argument for kind, argument in _advice() if kind == "home-manager"}
    assert named == known
    assert len(known) > 40


def _advice() -> Iterator[tuple[str, str]]:
    def walked(value: Any) -> Iterator[tuple[str, str]]:
        if isinstance(value, list):
            if len(value) == 2 and all(isinstance(one, str) for one in value):
                yield value[0], value[1]
            for one in value:
                yield from walked(one)
        elif isinstance(value, dict):
            for one in value.values():
                yield from walked(one)

    content = (Path(knowledge.__file__).parent / "data/compiled.json").read_text()
    yield from (one for line in content.splitlines() for one in walked(json.loads(line)))
