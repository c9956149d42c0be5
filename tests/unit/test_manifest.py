"""The file of a release's manifest: what is packed is unpacked, on a small machine too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from impermanenced.errors import RecordError
from impermanenced.releases import manifest
from impermanenced.releases.manifest import Line, Manifest

LINES = tuple(
    Line(b"/usr/share/doc/%d\n x" % number, number, b"f 644 0 0 7", b"%064x" % number, b"-")
    for number in range(1000)
)
SMALL = 256 << 20  # bytes of memory
UNPACK = """
import resource, sys
from impermanenced.releases import manifest
content = sys.stdin.buffer.read()
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
sys.stdout.write(str(len(manifest.unpack(content).lines)))
"""


def test_what_is_packed_is_unpacked() -> None:
    assert manifest.unpack(manifest.pack(Manifest(LINES))) == Manifest(LINES)


def test_a_machine_with_little_memory_reads_one() -> None:
    """A read with the largest size as its argument wanted 1 GiB for it, which a small machine refuses."""
    content = manifest.pack(Manifest(LINES))
    argv = [sys.executable, "-c", UNPACK, str(SMALL)]
    root = Path(__file__).parents[2]
    said = subprocess.run(argv, input=content, capture_output=True, check=False, cwd=root)
    assert (said.stdout, said.returncode) == (b"1000", 0), said.stderr.decode()


@pytest.mark.parametrize("damage", [b"not gzip", manifest.pack(Manifest(LINES))[:-9]])
def test_a_damaged_one_is_refused(damage: bytes) -> None:
    with pytest.raises(RecordError, match="the manifest cannot be read"):
        manifest.unpack(damage)
