"""The files of the configuration: finding them, and reading the TOML in them."""

from __future__ import annotations

import os
import stat

from ..errors import ConfigError, NotPermitted, UsageError
from ..text import to_text
from . import toml

MAX_BYTES = 256 << 10


def drop_ins(directory: bytes) -> list[bytes]:
    """Return the paths of the drop-ins in the order of their names.  Raises NotPermitted."""
    try:
        names = sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        names = []
    except PermissionError:
        raise NotPermitted(f"{to_text(directory)}: may not be read", "run it as root") from None
    own = [name for name in names if name.endswith(b".toml") and not name.startswith(b".")]
    return [os.path.join(directory, name) for name in own]


def read(file: bytes, *, named: bool) -> dict[str, object] | None:
    """Return the TOML of a file, or None for a missing one that was not `named` by the user.

    Raises ConfigError, NotPermitted, and UsageError for a named file that does not exist.
    """
    content = _content(file, named=named)
    return None if content is None else _parse(content, file)


def _content(file: bytes, *, named: bool) -> bytes | None:
    name = to_text(file)
    try:
        # Opening a FIFO must not block, and a terminal must not become the controlling one.
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except FileNotFoundError:
        if named:
            raise UsageError(
                f"{name}: no such configuration file", "give a file that exists to --config"
            ) from None
        return None
    except PermissionError:
        raise NotPermitted(f"{name}: may not be read", "run it as root") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{name}: {getattr(error, 'strerror', None) or error}") from None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ConfigError(f"{name}: not a regular file", "give a TOML file")
        with open(fd, "rb", closefd=False) as stream:
            content = stream.read(MAX_BYTES + 1)
    finally:
        os.close(fd)
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{name}: larger than {MAX_BYTES >> 10} KiB", "is it the right file?")
    return content


def _parse(content: bytes, file: bytes) -> dict[str, object]:
    name = to_text(file)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{name}: line {line}: byte 0x{content[error.start]:02x} is not UTF-8",
            r"TOML is UTF-8; a path's other bytes are written as \\xNN in a string",
        ) from None
    try:
        return toml.loads(text)
    except RecursionError:
        raise ConfigError(f"{name}: nested too deeply") from None
    except ValueError as error:
        raise ConfigError(
            f"{name}: {to_text(str(error).encode('utf-8', 'replace'))}", "see https://toml.io"
        ) from None
