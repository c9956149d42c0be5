"""What is slow to build and the same every time: built once, kept under a key of what goes in."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

KEPT = 2  # directories of one name: the one in use and the one before it
RECENT = 86400.0  # seconds: what was used since, another test may be using


def directory() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "impermanenced"


def key(*parts: str | bytes | Path) -> str:
    """A key for what goes into a build: text as it is, files by their content, directories whole."""
    digest = hashlib.sha256()
    for part in parts:
        for piece in _pieces(part):
            digest.update(b"%d:" % len(piece) + piece)
    return digest.hexdigest()[:16]


def _pieces(part: str | bytes | Path) -> Iterable[bytes]:
    if isinstance(part, bytes):
        yield part
    elif isinstance(part, str):
        yield part.encode()
    elif part.is_dir():
        for path in sorted(part.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield os.fsencode(path.relative_to(part))
                yield path.read_bytes()
    else:
        yield part.read_bytes()


def cached(name: str, key: str, build: Callable[[Path], None]) -> Path:
    """The directory `<name>-<key>` of the cache, filled by `build(directory)` where it is not there yet.

    The build has a temporary name until it is whole: one that was cut short is thrown away by the next.
    """
    base = directory()
    base.mkdir(parents=True, exist_ok=True)
    done = base / f"{name}-{key}"
    if done.is_dir():  # nobody waits for another of that name, which is being built
        os.utime(done)
        return done
    with open(base / f".{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.is_dir():
            for stale in base.glob(f".{name}.part.*"):
                shutil.rmtree(stale)
            part = Path(tempfile.mkdtemp(prefix=f".{name}.part.", dir=base))
            part.chmod(0o755)
            build(part)
            part.rename(done)
            prune(base, name)
    return done


def prune(base: Path, name: str) -> None:
    same = [path for path in base.glob(f"{name}-*") if path.name.removeprefix(f"{name}-").isalnum()]
    used = {path: path.stat().st_mtime for path in same}
    for old in sorted(same, key=used.__getitem__, reverse=True)[KEPT:]:
        if used[old] < time.time() - RECENT:
            shutil.rmtree(old)
