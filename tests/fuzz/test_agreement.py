"""The parsers of the program and of Python say the same of a hundred thousand files."""

from __future__ import annotations

import ctypes
import os
import random
import re
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impermanenced.boots import records
from impermanenced.errors import RecordError
from tests.fuzz import corpus
from tests.shell.hook import built

FILES = 100_000
PARSE: dict[bytes, Callable[[bytes], object]] = {
    b"r": records.parse_rollback,
    b"n": records.parse_next,
    b"b": records.parse_record,
}
WORDS = (corpus.HERE / "words").read_text().splitlines()
BITS = [re.sub(r"\\x0a", "\n", word.strip('"')).encode() for word in WORDS]


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    library = ctypes.CDLL(os.fspath(built("parsers.so")))
    library.values.argtypes = [ctypes.c_char, ctypes.c_char_p, ctypes.c_size_t]
    library.values.restype = ctypes.c_char_p
    return library


def decoded(content: bytes) -> bytes:
    return re.sub(rb"%(..)", lambda match: bytes([int(match[1], 16)]), content)


def agree(library: ctypes.CDLL, content: bytes) -> bool:
    """Whether both take the file, with the same values, or both refuse it; the answer: it is taken."""
    kind, text = content[:1], content[1:]
    theirs = library.values(kind, text, len(text))
    try:
        PARSE.get(kind, records.parse_record)(text)  # the fuzzer tries other letters
    except RecordError as error:
        assert theirs is None, f"taken by the program alone: {content!r}: {error.message}"
        return False
    assert theirs is not None, f"taken by Python alone: {content!r}"
    assert b"VERSION=1\n" + theirs == decoded(text), content
    return True


def mutated(draw: random.Random, files: list[bytes]) -> Iterator[bytes]:
    """Files with lines and bytes of others in them, most of them nearly right."""
    while True:
        content = draw.choice(files)
        kind, lines = content[:1], content[1:].splitlines(keepends=True) or [b""]
        for _ in range(draw.randrange(1, 4)):
            at = draw.randrange(len(lines))
            match draw.randrange(7):
                case 0:
                    lines.insert(at, draw.choice(draw.choice(files)[1:].splitlines(keepends=True) or [b"\n"]))
                case 1:
                    lines[at] = b""
                case 2:
                    lines.insert(at, lines[draw.randrange(len(lines))])
                case 3:
                    other = draw.randrange(len(lines))
                    lines[at], lines[other] = lines[other], lines[at]
                case 4:
                    place = draw.randrange(len(lines[at]) + 1)
                    lines[at] = lines[at][:place] + draw.choice(BITS) + lines[at][place:]
                case 5:
                    place = draw.randrange(len(lines[at]) + 1)
                    lines[at] = lines[at][:place] + bytes([draw.randrange(256)]) + lines[at][place + 1 :]
                case _:
                    lines[at] = lines[at][: draw.randrange(len(lines[at]) + 1)]
        yield kind + b"".join(lines)


def test_mutated_files(library: ctypes.CDLL) -> None:
    seed = int(os.environ.get("FUZZ_SEED", str(random.SystemRandom().randrange(10**6))))
    files = [*corpus.golden(), *corpus.read()]
    good = [content for content in files if agree(library, content)]
    draw = random.Random(seed)
    made = mutated(draw, [*files, *good * 40])
    taken = sum(agree(library, next(made)) for _ in range(FILES))
    print(f"FUZZ_SEED={seed}: {taken} of {FILES} were taken")  # noqa: T201
    assert taken > FILES // 20, "hardly one of them was right: nothing was compared"


@settings(max_examples=2000, deadline=None)
@given(
    st.sampled_from([b"r", b"n", b"b"]), st.lists(st.sampled_from(BITS) | st.binary(max_size=8), max_size=30)
)
def test_made_up_files(library: ctypes.CDLL, kind: bytes, pieces: list[bytes]) -> None:
    agree(library, kind + b"VERSION=1\n" + b"".join(pieces))
    agree(library, kind + b"".join(pieces))
