"""The command as a process: what it loads, where its output goes, and the pages about it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from impermanenced.cli import pager
from impermanenced.cli.commands import COMMANDS
from impermanenced.errors import UsageError

DOCS = Path(__file__).parents[2] / "docs"


def run(*argv: str, stdout: Any = subprocess.PIPE, **environment: str) -> subprocess.CompletedProcess[str]:
    script = "import sys; from impermanenced.cli.main import command; sys.exit(command())"
    return subprocess.run(
        [sys.executable, "-c", script, *argv],
        check=False,
        text=True,
        encoding="utf-8",
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
        timeout=60,
    )


def test_a_fault_is_one_line_and_a_hint() -> None:
    result = run("stat\x1b[31mus")
    assert (result.returncode, result.stdout) == (2, "")
    assert (
        result.stderr == 'impermanence: there is no command stat\\x1b[31mus\nhint: did you mean "status"?\n'
    )


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    result = run("status", "--config", str(tmp_path / "none.toml"))
    assert result.returncode == 2
    assert "none.toml: no such configuration file" in result.stderr


def test_a_full_disk_is_an_error() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        result = run("--help", stdout=full)
    assert result.returncode == 1
    assert result.stderr == "impermanence: No space left on device\n"


def test_a_reader_that_had_enough_is_none() -> None:
    read, write = os.pipe()
    os.close(read)
    with open(write, "w", encoding="utf-8") as broken:
        result = run("--help", stdout=broken)
    assert (result.returncode, result.stderr) == (141, "")


def test_a_closed_standard_output_is_none() -> None:
    program = "import sys; from impermanenced.cli.main import command; sys.exit(command())"
    script = f"exec {sys.executable} -c '{program}' -h >&-"
    assert subprocess.run(["sh", "-c", script], check=False, stderr=subprocess.PIPE).returncode == 0


def test_a_poor_locale_loses_nothing() -> None:
    assert run("status…", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0").returncode == 2


def test_the_command_loads_no_bus_and_no_heavy_library() -> None:
    heavy = ["gi", "pydbus", "structlog", "watchdog", "subprocess", "asyncio", "rich"]
    script = (
        "import sys; import impermanenced.cli.main, impermanenced.report.report; "
        "import impermanenced.cli.from_blank; from impermanenced.cli.commands import explain, status; "
        f"loaded = [name for name in {heavy}"
        " if type(sys.modules.get(name)) is type(sys)]; sys.exit(', '.join(loaded) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_comparison_of_two_boots_loads_nothing_of_a_report() -> None:
    script = (
        "import sys; import impermanenced.cli.commands.diff, impermanenced.cli.comparison; "
        "sys.exit(' '.join(name for name in sys.modules if name.startswith('impermanenced.report')) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_pager_of_root_by_sudo_is_a_safe_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGER", "sh -c 'touch /tmp/owned'")
    monkeypatch.setenv("LESSOPEN", "|evil %s")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_UID", "1000")
    argv, environment = pager.command()
    assert argv == ["less"]
    assert environment["LESSSECURE"] == "1"
    monkeypatch.delenv("SUDO_UID")
    assert pager.command()[0] == ["sh", "-c", "touch /tmp/owned"]
    monkeypatch.setenv("PAGER", "'")
    with pytest.raises(UsageError):
        pager.command()


# The pages


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.scd")), ids=lambda page: page.name)
def test_man_pages_build(page: Path) -> None:
    built = subprocess.run(["scdoc"], input=page.read_bytes(), capture_output=True, check=False)
    assert built.returncode == 0, built.stderr.decode()
    checked = subprocess.run(
        ["man", "--warnings", "--local-file", "-"], input=built.stdout, capture_output=True, check=False
    )
    assert checked.stderr == b""


def test_the_man_page_names_every_command_option_and_exit_code() -> None:
    page = (DOCS / "impermanence.1.scd").read_text()
    wanted = [*COMMANDS, "--json", "--all", "--exit-code", "--dry-run", "--config", "--color", "--no-pager"]
    for word in [*wanted, *(f"*{code}*" for code in (0, 1, 2, 3, 4, 5, 130, 141))]:
        assert word in page
    for key in (
        "version",
        "complete",
        "watching_since",
        "overflows",
        "curtailed",
        "volumes",
        "counts",
        "entries",
        "letters",
    ):
        assert f"*{key}*" in page
