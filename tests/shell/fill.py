"""Use up a BTRFS: all of its metadata, by attributes of a leaf each, and all of its data.

`python -I fill.py DIRECTORY` makes the directory, if what it is to lie in is a mount that can be written.
Nothing but the small filesystem of a test is ever filled.
"""

from __future__ import annotations

import errno
import os
import sys

LEAF = 15_000  # bytes of an attribute: with its name and header nearly a node of 16 KiB
BLOCK = bytes(1 << 16)
LARGEST = 1 << 30  # bytes of a filesystem that may be filled


def fill(directory: str) -> int:
    """How many files of a leaf each it took."""
    filesystem = os.statvfs(directory)
    if filesystem.f_blocks * filesystem.f_frsize > LARGEST:
        raise ValueError(f"{directory} is not on the small filesystem of a test")
    fill_data(os.path.join(directory, "data"))
    made = 0
    while spend(os.path.join(directory, f"leaf{made}"), LEAF):
        made += 1
    small = 0
    while spend(os.path.join(directory, f"name{small}"), 0):
        small += 1
    return made


def spend(path: str, size: int) -> bool:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        if size:
            os.setxattr(path, "user.filler", bytes(size))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True


def fill_data(path: str) -> None:
    try:
        with open(path, "wb", buffering=0) as stream:
            while True:
                stream.write(BLOCK)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def main() -> None:
    directory = sys.argv[1]
    if not os.path.ismount(os.path.dirname(directory)):
        return
    try:
        os.mkdir(directory)
    except OSError:  # mounted read-only still
        return
    fill(directory)


if __name__ == "__main__":
    main()
