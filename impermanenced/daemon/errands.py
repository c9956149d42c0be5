"""What callers on the bus have done on the machine.

As on the command line each starts from the configuration and the disk as they are then: what was looked at
before does not count.
"""

from __future__ import annotations

from typing import Any

from ..cli.commands import next
from ..cli.parse import Options


class Errands:
    def __init__(self, config: bytes | None) -> None:
        self._config = config

    def boots(self) -> dict[str, Any]:
        return next.document(Options("boots", config=self._config))

    def request(self, action: str, number: int) -> str:
        """What the next boot does now, in words."""
        boot = number if action == "boot" else None
        boots = number if action == "keep" else 1
        return next.ask(Options("next", config=self._config, request=action, boot=boot, boots=boots))
