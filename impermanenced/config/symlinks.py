"""A check of declared paths in the running system: none may lead through a symlink."""

from __future__ import annotations

import errno
import os
import stat
from typing import NoReturn

from ..errors import ConfigError
from ..model import Declaration
from ..text import to_text
from .load import Config


def check_paths(config: Config, root: bytes) -> None:
    """Raise ConfigError if a declared path leads through a symlink below `root`, the system's "/".

    A mount at such a path would land elsewhere than the rules think, and a user who owns the link's
    directory could choose where.  A path that does not exist yet passes.
    """
    root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for declaration in config.declarations:
            _check_parents(declaration, root_fd)
    finally:
        os.close(root_fd)


def _check_parents(declaration: Declaration, root_fd: int) -> None:
    parents = declaration.path.split(b"/")[1:-1]
    fd = os.dup(root_fd)
    try:
        for depth, name in enumerate(parents, 1):
            try:
                next_fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
            except (FileNotFoundError, PermissionError):
                return
            except OSError as error:
                raise OSError(error.errno, error.strerror, declaration.path) from None
            os.close(fd)
            fd = next_fd
            mode = os.fstat(fd).st_mode
            if not stat.S_ISDIR(mode):
                _refuse_parent(declaration, b"/" + b"/".join(parents[:depth]), fd, mode)
    finally:
        os.close(fd)


def _refuse_parent(declaration: Declaration, parent: bytes, fd: int, mode: int) -> NoReturn:
    path = to_text(declaration.path)
    if not stat.S_ISLNK(mode):
        raise ConfigError(f"{declaration.source}: {path}: {to_text(parent)} is no directory")
    try:
        target = os.readlink(b"", dir_fd=fd)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        target = b"?"
    raise ConfigError(
        f"{declaration.source}: {path} leads through the symlink {to_text(parent)} -> {to_text(target)}",
        "declare the path that it leads to",
    )
