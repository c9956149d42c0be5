#!/usr/bin/python3
"""Say how the volumes differ from their blanks, what the next boot takes away, and which old roots are left.

    example.py [CONFIG]

It needs root, as `impermanence status` does where no daemon runs.
"""

from __future__ import annotations

import sys
from collections import Counter

import impermanenced
from impermanenced import LOSSES, Entry, System, to_text

SHOWN = 10  # losses


def losses(system: System) -> list[Entry]:
    crud = [entry for entry in system.report().entries if entry.verdict in LOSSES]
    return sorted(crud, key=lambda entry: (-entry.score, entry.difference.path))


def show(system: System) -> None:
    for volume in system.volumes:
        kinds = Counter(difference.change for difference in system.drift(volume.name))
        counts = ", ".join(f"{count} {change}" for change, count in sorted(kinds.items()))
        print(f"{volume.name} at {to_text(volume.mountpoint)}: {counts or 'as in the blank'}")
    for entry in losses(system)[:SHOWN]:
        # Paths are bytes, and anybody may choose them: to_text leaves nothing in them that a terminal obeys.
        print(f"{entry.score:4} {entry.loss or 'unknown':14} {to_text(entry.difference.path)}")
    for boot in system.boots():
        there = [to_text(root.path) for root in boot.old_roots if root.there]
        if there:
            print(f"boot {boot.number if boot.number is not None else '?'}: {', '.join(there)}")


def main() -> int:
    try:
        with impermanenced.open(sys.argv[1] if len(sys.argv) > 1 else None) as system:
            show(system)
    except impermanenced.ImpermanenceError as error:
        print(error.message, f"hint: {error.hint}" if error.hint else "", sep="\n", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
