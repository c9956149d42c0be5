"""Impermanent Linux systems: roll back, watch, report and keep.

    import impermanenced

    with impermanenced.open() as system:
        for entry in system.report().entries:
            print(impermanenced.to_text(entry.difference.path), entry.verdict)

The names in `__all__` are public.  What else the package has may change with every release.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .boots.history import Boot
    from .boots.old_roots import OldRoot
    from .boots.records import BootRecord, BootVolume, EndRecord
    from .errors import ConfigError, ImpermanenceError, NotPermitted, NotSetUp, UsageError
    from .library import System, open
    from .losses import LossClass
    from .model import (
        LOSSES,
        Advice,
        AdviceKind,
        Change,
        Decision,
        Difference,
        Entry,
        FileType,
        Forecast,
        Others,
        Report,
        Spared,
        Unlisted,
        Verdict,
        Volume,
        Writer,
    )
    from .text import to_text

__all__ = [
    "LOSSES",
    "Advice",
    "AdviceKind",
    "Boot",
    "BootRecord",
    "BootVolume",
    "Change",
    "ConfigError",
    "Decision",
    "Difference",
    "EndRecord",
    "Entry",
    "FileType",
    "Forecast",
    "ImpermanenceError",
    "LossClass",
    "NotPermitted",
    "NotSetUp",
    "OldRoot",
    "Others",
    "Report",
    "Spared",
    "System",
    "Unlisted",
    "UsageError",
    "Verdict",
    "Volume",
    "Writer",
    "__version__",
    "open",
    "to_text",
]
__version__ = "0.1.0"

_HOMES = ("errors", "model", "text", "losses", "library", "boots.history", "boots.old_roots", "boots.records")


if not TYPE_CHECKING:  # it would hide from a checker what is not there

    def __getattr__(name: str) -> Any:
        """Load what is public when it is asked for: the command line starts without most of it."""
        if name in __all__:
            for home in _HOMES:
                module = importlib.import_module(f".{home}", __name__)
                if hasattr(module, name):
                    return getattr(module, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
