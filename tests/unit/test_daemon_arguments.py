from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from impermanenced.daemon import main

HERE = os.fsencode(os.getcwd())


@pytest.mark.parametrize(
    ("argv", "file"),
    [
        ([], None),
        (["--config", "/etc/other.toml"], b"/etc/other.toml"),
        (["--config", "other.toml"], HERE + b"/other.toml"),
        (["--config=other.toml"], HERE + b"/other.toml"),
        (["--config", "\udcff"], HERE + b"/\xff"),
        (["--config", "first", "--config", "/second"], b"/second"),
        (["--config", ""], None),
    ],
)
def test_the_configuration_is_the_one_that_is_named(argv: Sequence[str], file: bytes | None) -> None:
    assert main.parse(argv) == file


@pytest.mark.parametrize("argv", [["--config"], ["--config", "--version"], ["file"], ["--config", "a", "b"]])
def test_what_is_not_understood_ends_it(argv: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.parse(argv)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: impermanenced ")
