"""A boot that changed nothing, and said why."""

from __future__ import annotations

import os

from tests.shell.hook import Boot, System


def unchanged(system: System, boot: Boot, reason: str, *, action: str = "refused", status: int = 0) -> None:
    assert (boot.status, boot.result.action) == (status, action), boot.said
    assert reason in boot.result.reason, boot.said
    assert boot.result.reason in boot.said
    assert (system.top / "root/crud").read_text() == "crud of root\n"
    assert not os.path.ismount(boot.run / "impermanence/top")
