"""How a person is told of a step, and of how far its copy is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..copying import Progress
from .plan import Step


@dataclass(frozen=True, slots=True)
class Told:
    """The two calls."""

    step: Callable[[Step], None]
    copied: Callable[[Progress], None]
