"""The machine itself, without the product: it boots by its initrd, and nothing fails."""

from __future__ import annotations

import time

from guest import Guest


def test_a_bare_machine_boots(bare: Guest, figures: dict[str, object]) -> None:
    began = time.monotonic()
    bare.boot()
    figures["boot of the bare machine, seconds"] = round(time.monotonic() - began, 1)
    assert bare.run("systemctl is-system-running", check=False).output == "running\n"
    assert bare.run("findmnt --noheadings --output FSROOT /").output == "/root\n"
    assert bare.run("id --user --name", user="alice").output == "alice\n"
    bare.shutdown()
