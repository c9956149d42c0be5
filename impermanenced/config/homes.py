"""The homes of users, for declarations that do not name them."""

from __future__ import annotations

import os
import pwd

from ..kernel import openat2

_LARGEST = 1 << 20  # bytes of a passwd


def home_of(user: str, root: bytes) -> bytes:
    """Return the home that the system whose root this is gives a user, or the usual one.

    Another system than the running one has users of its own, in its /etc/passwd.
    """
    found = _here(user) if root == b"/" else _there(user, root)
    return found or (b"/root" if user == "root" else b"/home/" + user.encode())


def _here(user: str) -> bytes | None:
    try:
        return os.fsencode(pwd.getpwnam(user).pw_dir)
    except KeyError:
        return None


def _there(user: str, root: bytes) -> bytes | None:
    try:
        directory = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None  # it is not mounted now
    try:
        content = openat2.read(directory, b"etc/passwd", _LARGEST)
    except OSError:
        return None
    finally:
        os.close(directory)
    for line in content.split(b"\n"):
        words = line.split(b":")
        if len(words) == 7 and words[0] == user.encode() and words[5].startswith(b"/"):
            return os.path.normpath(words[5])
    return None
