"""The configuration: TOML in, one frozen `Config` out."""

from __future__ import annotations

from dataclasses import dataclass

from .model import Declaration


@dataclass(frozen=True, slots=True)
class VolumeSettings:
    """One `[[volume]]`.  None: to be found on the machine."""

    name: str | None = None
    mountpoint: bytes = b"/"
    path: bytes | None = None  # default: the mountpoint
    subvolume: bytes | None = None  # path from the top level
    blank: bytes | None = None  # path from the top level; b"": none, everything is new


@dataclass(frozen=True, slots=True)
class ArchiveSettings:
    directory: bytes = b"old_roots"
    keep_min: int = 3
    keep_days: int = 30


@dataclass(frozen=True, slots=True)
class RollbackSettings:
    wipe: bool = True
    on_failure: str = "keep"
    on_missing_blank: str = "keep"
    require: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    path: bytes  # the file that was asked for, whether it exists or not
    files: tuple[bytes, ...]  # the files that were read
    volumes: tuple[VolumeSettings, ...]
    archive: ArchiveSettings
    rollback: RollbackSettings
    declarations: tuple[Declaration, ...]
    persist: tuple[bytes, ...]  # paths of the persist volumes
    ignore: tuple[str, ...]  # gitignore patterns relative to "/"
