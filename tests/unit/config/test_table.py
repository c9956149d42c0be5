"""The table of settings, the sample, the man page and the defaults say the same."""

import os
import subprocess
from pathlib import Path

import pytest

from impermanenced.config import sample, settings
from impermanenced.config.load import (
    ArchiveSettings,
    GateSettings,
    LevelSettings,
    RollbackSettings,
)
from impermanenced.config.values import NOTHING

from .reading import ROOT, parsed


@pytest.mark.parametrize(
    "text, of_1001", [("0", 0), ("1KiB", 1024), ("3MiB", 3 << 20), ("10%", 101), ("0%", 0), ("100%", 1001)]
)
def test_free_space(tmp_path: Path, text: str, of_1001: int) -> None:
    assert parsed(tmp_path, f'[archive]\nfree-min = "{text}"').archive.free_min.of(1001) == of_1001


def test_the_sample_is_as_the_table_says() -> None:
    expected = (ROOT / "docs/config.toml.sample").read_text()
    assert sample.sample() == expected, "python -m impermanenced.config.sample > docs/config.toml.sample"


def test_the_sample_changes_nothing(tmp_path: Path) -> None:
    assert parsed(tmp_path, sample.sample()) == parsed(tmp_path, "")


def test_the_sample_can_be_uncommented(tmp_path: Path) -> None:
    lines = [line.removeprefix("#") for line in sample.sample().splitlines() if not line.startswith("# ")]
    found = parsed(tmp_path, "\n".join(lines))
    assert found.archive == ArchiveSettings()
    assert found.rollback == RollbackSettings()
    assert (_with_its_classes(found.gate), found.levels) == (GateSettings(), LevelSettings())
    assert len(found.placements) == 6


def _with_its_classes(gate: GateSettings) -> GateSettings:
    """Return it with the lists of classes that hold by default: of these the table has examples."""
    assert gate.warn and gate.block
    return gate._replace(warn=GateSettings().warn, block=GateSettings().block)


def test_every_default_in_the_table_is_the_real_one() -> None:
    names = {"[archive]": ArchiveSettings(), "[rollback]": RollbackSettings()}
    for setting in settings.SETTINGS:
        if setting.section in names:
            value = getattr(names[setting.section], setting.key.replace("-", "_"))
            written = value.decode() if isinstance(value, bytes) else value
            if isinstance(value, tuple) and setting.kind is settings.Kind.WORDS:
                written = "[" + ", ".join(f'"{word}"' for word in value) + "]"
                assert setting.sample == written, setting.key
                continue
            texts = {True: "true", False: "false", (): "[]", NOTHING: '"0"'}
            expected = f'"{written}"' if isinstance(written, str) else texts.get(written, str(written))
            assert setting.sample == expected, setting.key


def test_the_defaults_of_gate_and_levels_are_those_of_the_table(tmp_path: Path) -> None:
    lines = []
    for section in ("[watch]", "[gate]"):
        lines += [section, *(f"{key} = {one.sample}" for key, one in settings.of(section).items())]
    found = parsed(tmp_path, "\n".join(lines))
    assert (_with_its_classes(found.gate), found.levels) == (GateSettings(), LevelSettings())


def test_the_man_page_lists_every_setting() -> None:
    page = (ROOT / "docs/impermanence-config.5.scd").read_text()
    assert sample.man() in page, "python -m impermanenced.config.sample man"


def test_the_generator_is_a_program() -> None:
    python = ROOT / ".venv/bin/python"
    if not python.exists():
        pytest.skip("needs the virtual environment: make venv")
    argv = [os.fspath(python), "-m", "impermanenced.config.sample"]
    assert subprocess.run(argv, check=True, capture_output=True, text=True).stdout == sample.sample()
