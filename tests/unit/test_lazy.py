"""Modules that stand for themselves until something is asked of them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from impermanenced.system import lazy


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that leaves others time to look at it while it is half loaded."""
    (tmp_path / "slow_module.py").write_text(
        "import os\nfirst = 1\nos.sched_yield()\n" * 500 + "loads = globals().get('loads', 0) + 1\nlast = 2\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "slow_module", raising=False)
    return "slow_module"


def test_importing_it_does_not_load_it(slow: str) -> None:
    module = lazy.at_first_use(slow)
    assert __import__(slow) is module and lazy.at_first_use(slow) is module
    assert "first" not in vars(module)
    assert module.last == 2 and module.loads == 1


def test_threads_that_come_at_once_get_all_of_it(slow: str) -> None:
    module, got = lazy.at_first_use(slow), []
    threads = [threading.Thread(target=lambda: got.append(module.last)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [2] * 8 and module.loads == 1


def test_what_failed_to_load_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "broken_module.py"
    path.write_text("raise OSError('not yet')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    module = lazy.at_first_use("broken_module")
    with pytest.raises(OSError, match="not yet"):
        _ = module.value
    path.write_text("value = 'it is there now'\n")
    assert module.value == "it is there now"
    del sys.modules["broken_module"]


def test_a_module_that_is_not_there() -> None:
    with pytest.raises(ModuleNotFoundError):
        lazy.at_first_use("no_such_module_anywhere")


def test_the_daemon_does_without_asyncio() -> None:
    """structlog imports it, and with it OpenSSL: a sixth of the daemon's memory."""
    program = """
        import sys
        import impermanenced.daemon
        print(sorted({"asyncio.base_events", "ssl"} & sys.modules.keys()))
        import asyncio
        print(asyncio.run(asyncio.sleep(0, "and has it when asked")))
    """
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], check=True, capture_output=True, text=True
    )
    assert said.stdout == "[]\nand has it when asked\n"
