"""The completions, in the shells themselves."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from impermanenced.cli.commands import COMMANDS
from tests.conftest import sh
from tests.shell.hook import REPOSITORY

# What is typed, and what is among the answers; a word that stands alone is completed to the one that follows.
CASES = [
    (["sta"], "status"),
    (["expl"], "explain"),
    (["status", "--exit"], "--exit-code"),
    (["status", "--by", "dir"], "directory"),
    (["--color", "ne"], "never"),
    (["--color", "never", "doc"], "doctor"),
    (["next", "ke"], "keep"),
    (["next", "keep", "--boo"], "--boots"),
    (["blank", "rev"], "revert"),
    (["blank", "--vol"], "--volume"),
    (["update", "--et"], "--etc"),
    (["update", "--etc", "mi"], "mine"),
    (["suggest", "--format", "home"], "home-manager"),
    (["explain", "known-f"], "known-file"),
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("completions")
    sh(REPOSITORY / "tools/completions", target)
    (target / "known-file").touch()
    return target


def bash(directory: Path, words: list[str]) -> list[str]:
    script = (
        'source ./impermanence; compopt() { :; }; COMP_WORDS=(impermanence "$@"); COMP_CWORD=$#; '
        '_impermanence; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return sh("bash", "--norc", "-uc", script, "bash", *words, cwd=directory).splitlines()


def fish(directory: Path, words: list[str]) -> list[str]:
    script = "source ./impermanence.fish; complete -C $argv[1]"
    line = " ".join(["impermanence", *words])
    home = {**os.environ, "HOME": os.fspath(directory), "XDG_CONFIG_HOME": os.fspath(directory)}
    said = sh("fish", "--no-config", "-c", script, line, cwd=directory, env=home)
    return [one.partition("\t")[0] for one in said.splitlines()]


ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; fpath=($PWD \\$fpath); autoload -U compinit; compinit -u -D; print -r re''ady"
zpty -r shell said '*ready*'
zpty -n -w shell "$1"$'\\t'
zpty -r shell said "*$2*"
print -r -- $2
zpty -d shell
"""


def zsh(directory: Path, words: list[str], wanted: str) -> list[str]:
    """What a terminal shows after the tab; there is an answer only if it is the one that is wanted."""
    argv = ["zsh", "-f", "-c", ZSH, "zsh", " ".join(["impermanence", *words]), wanted]
    return sh(*argv, cwd=directory, timeout=60).splitlines()


@pytest.mark.parametrize(("words", "wanted"), CASES)
def test_bash(directory: Path, words: list[str], wanted: str) -> None:
    assert wanted in bash(directory, words)


@pytest.mark.parametrize(("words", "wanted"), CASES)
def test_fish(directory: Path, words: list[str], wanted: str) -> None:
    assert wanted in fish(directory, words)


@pytest.mark.parametrize(("words", "wanted"), CASES)
def test_zsh(directory: Path, words: list[str], wanted: str) -> None:
    assert zsh(directory, words, wanted) == [wanted]


@pytest.mark.parametrize("shell", [bash, fish])
def test_all_verbs_and_all_options_are_there(
    directory: Path, shell: Callable[[Path, list[str]], list[str]]
) -> None:
    assert set(COMMANDS) <= set(shell(directory, [""]))
    assert {"--json", "--all", "--since"} <= set(shell(directory, ["status", "--"]))
    assert "--all" not in shell(directory, ["gate", "--"])


def test_numbers_of_boots_come_without_python(directory: Path) -> None:
    assert {"-1", "-2"} <= set(bash(directory, ["pin", ""]))
    assert {"-1", "-2"} <= set(bash(directory, ["next", "boot", ""]))
    assert {"-1", "-2"} <= set(fish(directory, ["unpin", ""]))


def test_a_hostile_name_is_only_a_name(directory: Path) -> None:
    name = "known $(touch evil); `touch evil`"
    (directory / name).touch()
    try:
        assert name in bash(directory, ["explain", "known"])
        assert not (directory / "evil").exists()
    finally:
        (directory / name).unlink()


@pytest.mark.parametrize("argv", [("bash", "-n"), ("zsh", "-n"), ("fish", "-n")])
def test_syntax(directory: Path, argv: tuple[str, ...]) -> None:
    names = {"bash": "impermanence", "zsh": "_impermanence", "fish": "impermanence.fish"}
    result = subprocess.run([*argv, directory / names[argv[0]]], capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")
