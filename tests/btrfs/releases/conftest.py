"""The machine that boots, with a blank that has something in it."""

from __future__ import annotations

from tests.btrfs.boots.conftest import machine

__all__ = ["machine"]
