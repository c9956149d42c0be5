"""How much a fuzzer tries: a fixed budget in `make test`, many times that in `make fuzz`."""

from __future__ import annotations

import os
import random

TIMES = int(os.environ.get("FUZZ_TIMES", "1"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))  # the same each time, unless told otherwise


def chance(name: str) -> random.Random:
    """Return what decides for one fuzzer."""
    return random.Random(f"{name} {SEED}")


def mutated(draw: random.Random, content: bytes, most: int = 8) -> bytes:
    """Return the content with some bytes changed, doubled, moved, cut out or cut off."""
    found = bytearray(content)
    for _ in range(draw.randint(1, most)):
        at = draw.randrange(len(found) or 1)
        length = draw.choice((1, 1, 2, 4, 8, 64))
        match draw.randrange(6):
            case 0 | 1:
                found[at : at + length] = draw.randbytes(length)
            case 2:
                found[at : at + length] = draw.choice((b"\x00", b"\xff", b"\x7f", b"\x80")) * length
            case 3:
                found[at:at] = found[at : at + length]
            case 4:
                del found[at : at + length]
            case _:
                if draw.random() < 0.2:
                    del found[at:]
    return bytes(found)
