"""What a suggestion looks like in each language."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from impermanenced.cli.commands import suggest
from impermanenced.cli.commands.suggest import FORMATS
from impermanenced.config import load
from impermanenced.errors import UsageError
from impermanenced.model import Advice, AdviceKind, Change
from tests.schema import checked
from tests.unit.config.reading import ARTICLE
from tests.unit.reports import entry, report

from .system import evaluated
from .written import ODD, ONLY_HERE, configured, options, suggestion


def canonical(table: dict[str, Any]) -> dict[str, Any]:
    """With a table for each entry, in one order, by the names of the Nix modules."""
    names = {"path": {"directories": "directory", "files": "file"}}
    also = {"hide-mounts": "hideMounts", "parent-directory": "parentDirectory", "hide-mount": "hideMount"}
    found: dict[str, Any] = {}
    for key, value in table.items():
        if key in ("directories", "files"):
            kind = names["path"][key]
            tables = [{kind: one} if isinstance(one, str) else one for one in value]
            tables = [{kind if k == "path" else also.get(k, k): v for k, v in one.items()} for one in tables]
            found[key] = sorted(tables, key=lambda one: str(one[kind]))
        elif key == "users":
            found[key] = {user: canonical(theirs) for user, theirs in value.items()}
        else:
            found[also.get(key, key)] = value
    return found


def test_the_articles_declarations_come_out_as_they_went_in(tmp_path: Path) -> None:
    wanted = canonical(tomllib.loads(ARTICLE)["persist"]["/persist"])
    ours = tomllib.loads(suggestion(tmp_path, ARTICLE, "--whole"))
    assert canonical(ours["persist"]["/persist"]) == wanted
    module = evaluated(suggestion(tmp_path, ARTICLE, "--whole", "--format", "impermanence"))
    assert list(module) == ["environment"]
    steam = next(one for one in wanted["users"]["talyz"]["directories"] if "Steam" in one["directory"])
    assert steam.pop("method") == "symlink"  # which impermanence has for files alone
    assert canonical(module["environment"]["persistence"]["/persist"]) == wanted


def test_the_articles_declarations_for_preservation(tmp_path: Path) -> None:
    module = evaluated(suggestion(tmp_path, ARTICLE, "--whole", "--format", "preservation"))
    assert module["preservation"]["enable"] is True
    at = module["preservation"]["preserveAt"]["/persist"]
    assert at["commonMountOptions"] == ["x-gvfs-hide"]
    assert {"file": "/etc/machine-id", "inInitrd": True} in at["files"]
    key = {"file": "/var/keys/secret_file", "configureParent": True, "parent": {"mode": "0700"}}
    assert key in at["files"]
    assert {"directory": "/var/lib/nixos", "inInitrd": True} in at["directories"]
    steam = {"directory": ".local/share/Steam", "how": "symlink", "createLinkTarget": True}
    assert {**steam, "configureParent": False} in at["users"]["talyz"]["directories"]
    assert at["users"]["talyz"]["files"] == [".screenrc"]
    assert len(at["directories"]) + len(at["files"]) + len(at["users"]["talyz"]["directories"]) == 21


@pytest.mark.parametrize("text", [ARTICLE, ODD, ONLY_HERE], ids=["article", "odd", "only-here"])
def test_the_whole_means_what_was_declared(tmp_path: Path, text: str) -> None:
    def meant(found: load.Config) -> set[Any]:
        without_source = [one.declaration._replace(source="") for one in found.placements]
        return {
            one._replace(declaration=declaration)
            for one, declaration in zip(found.placements, without_source, strict=True)
        }

    wanted = meant(configured(tmp_path, text))
    assert meant(configured(tmp_path, suggestion(tmp_path, text, "--whole"))) == wanted


def test_what_no_module_can_say_is_named(tmp_path: Path) -> None:
    for format in ("impermanence", "preservation"):
        said = suggestion(tmp_path, ONLY_HERE, "--whole", "--format", format)
        assert "no module leaves out a part of a directory" in said
        assert "no module keeps a file as a copy" in said


def test_the_articles_declarations_for_a_home(tmp_path: Path) -> None:
    text = suggestion(tmp_path, ARTICLE, "--whole", "--format", "home-manager")
    home = evaluated(text)["home-manager"]["users"]["talyz"]["home"]["persistence"]["/persist"]
    assert home["files"] == [".screenrc"]
    assert {"directory": ".gnupg", "mode": "0700"} in home["directories"]
    assert "#   not in this format, it lies in no home:\n" in text


def test_only_what_is_missing_is_written_unless_the_whole_is_asked_for(tmp_path: Path) -> None:
    lost = [entry("/etc/adjtime"), entry("/home/talyz/x")]
    text = suggestion(tmp_path, ARTICLE, entries=lost)
    assert tomllib.loads(text) == {"persist": {"/persist": {"files": ["/etc/adjtime", "/home/talyz/x"]}}}
    whole = tomllib.loads(suggestion(tmp_path, ARTICLE, "--whole", entries=lost))["persist"]["/persist"]
    assert {"/etc/machine-id", "/etc/adjtime"} < {one for one in whole["files"] if isinstance(one, str)}
    assert whole["hide-mounts"] is True  # what is new goes with the others


def test_nothing_lost_is_valid_too(tmp_path: Path) -> None:
    assert tomllib.loads(suggestion(tmp_path, "")) == {}
    for format in ("impermanence", "preservation", "home-manager"):
        text = suggestion(tmp_path, "", "--format", format)
        assert evaluated(text) == {}
        assert text.endswith("# Nothing would be lost: there is nothing to add.\n")


@pytest.mark.parametrize("format", FORMATS)
def test_the_last_line_counts_what_is_left(tmp_path: Path, format: str) -> None:
    advice = (
        Advice(AdviceKind.PLASMA_MANAGER, "rc2nix"),
        Advice(AdviceKind.STYLIX, "stylix.targets.kde"),
    )
    lost = [
        entry("/opt/a\nb"),
        entry("/home/alice/.config/kdeglobals", advice=advice),
        entry("/opt/x"),
        *(entry(f"/usr/bin/{number}", package=f"p{number % 2}") for number in range(4)),
    ]
    text = suggestion(tmp_path, "", "--format", format, entries=lost)
    covered = {"toml": 2, "impermanence": 2, "preservation": 2, "home-manager": 0, "tmpfiles": 2}[format]
    left = f"not covered: {7 - covered}, for the reasons above."
    assert text.splitlines()[-1] == f"# Covered: {covered} of 7 paths that would be lost; {left}"
    assert "nix run github:nix-community/plasma-manager > plasma.nix" in text
    assert "#   or stylix makes it:  stylix.enable = true; stylix.targets.kde.enable = true;\n" in text
    declared = "better kept in another way where there is Nix" in text
    assert declared == (format in ("toml", "tmpfiles"))
    assert ("(--all declares what" in text) != declared
    assert "#     p0, p1\n" in text
    assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize("format", ["impermanence", "preservation"])
def test_users_are_nixos_own(tmp_path: Path, format: str) -> None:
    text = suggestion(tmp_path, "", "--format", format, entries=[entry("/etc/shadow"), entry("/etc/x")])
    assert '"/etc/x"' in text
    assert '"/etc/shadow"' not in text
    assert "hashedPasswordFile:\n#     /etc/shadow\n" in text
    declared = '[persist."/persist"]\nfiles = ["/etc/shadow"]'
    assert '"/etc/shadow"' in suggestion(tmp_path, declared, "--whole", "--format", format)


def test_the_persist_volume(tmp_path: Path) -> None:
    lost = [entry("/opt/x")]
    one = suggestion(tmp_path, '[persist."/nix/persist"]', entries=lost)
    assert list(tomllib.loads(one)["persist"]) == ["/nix/persist"]
    assert "--persist" not in one
    several = suggestion(tmp_path, '[persist."/state"]\n[persist."/keep"]', entries=lost)
    assert list(tomllib.loads(several)["persist"]) == ["/state"]
    assert "# Below /state and not one of 1 other: --persist chooses.\n" in several
    none = suggestion(tmp_path, "", entries=lost)
    assert "# No persist volume is configured; /persist is a guess: --persist chooses.\n" in none
    chosen = suggestion(tmp_path, "", "--persist", "/a b//c/", entries=lost)
    assert list(tomllib.loads(chosen)["persist"]) == ["/a b/c"]


@pytest.mark.parametrize("persist", ["relative", "/", "/a/../b", "/a\nb"])
def test_a_persist_volume_that_cannot_be(tmp_path: Path, persist: str) -> None:
    with pytest.raises(UsageError) as caught:
        suggestion(tmp_path, "", "--persist", persist)
    assert caught.value.message.startswith("--persist")
    assert caught.value.message.isprintable()


def test_a_trial_says_so(tmp_path: Path) -> None:
    text = suggestion(tmp_path, "[rollback]\nwipe = false", entries=[entry("/opt/x")])
    assert "# This is a trial (rollback.wipe is false): nothing is wiped yet.\n" in text


def test_the_documents_keys(tmp_path: Path) -> None:
    lost = [entry("/opt/x"), entry("/opt/y", change=Change.DELETED)]
    found: Any = suggest.document(report(*lost), configured(tmp_path, ARTICLE), options(), b"/")
    assert list(found) == ["version", "persist", "losses", "covered", "declarations", "uncovered"]
    assert (found["persist"], found["losses"], found["covered"]) == ("/persist", 2, 1)
    assert [one["path"] for one in found["declarations"] if not one["declared"]] == ["/opt/x"]
    left = {"kind": "blank", "advice": [], "package": None, "paths": [{"path": "/opt/y"}]}
    assert found["uncovered"] == [left]
    checked("suggest", json.dumps(found))
