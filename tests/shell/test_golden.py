"""The program's parser and the one in Python say the same of every golden file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.shell.hook import BUILDS, check

GOLDEN = Path(__file__).parent.parent / "golden"


def decoded(content: bytes) -> bytes:
    return re.sub(rb"%(..)", lambda match: bytes([int(match[1], 16)]), content)


@pytest.mark.parametrize("build", BUILDS)
def test_valid_files_are_taken_with_the_same_values(build: str) -> None:
    for path in GOLDEN.glob("*/valid/*.env"):
        result = check(path.parent.parent.name, path, build)
        assert (result.returncode, result.stderr) == (0, b""), path
        assert result.stdout == decoded(path.read_bytes()), path


@pytest.mark.parametrize("build", BUILDS)
def test_invalid_files_are_refused_with_a_reason(build: str) -> None:
    for path in GOLDEN.glob("*/invalid/*.env"):
        result = check(path.parent.parent.name, path, build)
        assert result.returncode == 1, path
        assert re.fullmatch(rb"%s: [ -~]+\n" % re.escape(bytes(path)), result.stderr), result.stderr
