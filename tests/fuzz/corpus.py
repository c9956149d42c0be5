"""The corpus of the fuzzer, one file a line: what it found that goes another way through the parsers.

`python -m tests.fuzz.corpus unpack DIRECTORY` gives the fuzzer its files, the golden ones among them; `pack`
keeps those that add something.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
FILE = HERE / "corpus.txt"
FUZZER = HERE.parent.parent / "build/fuzz-parsers"
GOLDEN = HERE.parent / "golden"
KINDS = {"rollback": b"r", "next": b"n", "record": b"b"}
LARGEST = 2000  # bytes


def golden() -> list[bytes]:
    """Each golden file behind the letter of its kind."""
    files = sorted(GOLDEN.glob("*/*/*.env"))
    found = [KINDS[path.parent.parent.name] + path.read_bytes() for path in files]
    return [content for content in found if len(content) <= LARGEST]


def read() -> list[bytes]:
    return [base64.b64decode(line) for line in FILE.read_text().splitlines()] if FILE.exists() else []


def unpack(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for content in [*golden(), *read()]:
        (directory / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)


def pack(directory: Path) -> None:
    with tempfile.TemporaryDirectory() as small:
        subprocess.run([FUZZER, "-merge=1", small, directory], check=True, capture_output=True)
        kept = sorted(path.read_bytes() for path in Path(small).iterdir())
    FILE.write_text("".join(f"{base64.b64encode(content).decode()}\n" for content in kept))


def main() -> None:
    match sys.argv[1:]:
        case ["unpack", directory]:
            unpack(Path(directory))
        case ["pack", directory]:
            pack(Path(directory))
        case _:
            sys.exit("usage: python -m tests.fuzz.corpus unpack|pack DIRECTORY")


if __name__ == "__main__":
    main()
