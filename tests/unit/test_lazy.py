"""What is loaded and compiled when something of it is asked for, and what a start does without."""

from __future__ import annotations

import ast
import copy
import pickle
import re
import subprocess
import sys
import textwrap
import typing
from pathlib import Path

import pytest

import impermanenced
from impermanenced.cli import rows
from impermanenced.cli.commands import status
from impermanenced.lazy import Deferred, NamedTuple, put_off, regex

PACKAGE = Path(impermanenced.__file__).parent


def test_a_module_is_loaded_when_it_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rarely_needed.py").write_text("value = 'it is there now'\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = Deferred("rarely_needed")
    assert "rarely_needed" not in sys.modules
    assert module.value == "it is there now"
    del sys.modules["rarely_needed"]


def test_a_module_that_is_not_there() -> None:
    module = Deferred("no_such_module_anywhere")
    with pytest.raises(ModuleNotFoundError):
        _ = module.value


def test_a_regular_expression_is_compiled_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    compiled = re.compile

    def count(pattern: str, flags: int = 0) -> re.Pattern[str]:
        made.append(pattern)
        return compiled(pattern, flags)

    monkeypatch.setattr(re, "compile", count)
    word = regex(r"[a-z]+(?P<rest>\d*)", re.IGNORECASE)
    assert made == []
    for text, rest in (("Abc12", "12"), ("x", "")):
        match = word.fullmatch(text)
        assert match is not None and match["rest"] == rest
    assert word.fullmatch("12") is None
    assert made == [r"[a-z]+(?P<rest>\d*)"], "once, however often it is asked"
    assert word.sub("-", "a b") == "- -"


def test_a_regular_expression_that_is_none() -> None:
    with pytest.raises(re.error):
        regex("(").search("")


def test_no_module_compiles_a_regular_expression_when_it_is_imported() -> None:
    for path in PACKAGE.rglob("*.py"):
        for statement in ast.parse(path.read_text()).body:
            if isinstance(statement, ast.FunctionDef | ast.ClassDef):
                continue
            calls = [ast.unparse(node.func) for node in ast.walk(statement) if isinstance(node, ast.Call)]
            assert "re.compile" not in calls, f"{path}:{statement.lineno}: write regex(...)"


class Point(NamedTuple):
    """A point."""

    x: int
    y: int = 0
    name: str | None = None

    @property
    def sum(self) -> int:
        return self.x + self.y

    def moved(self, by: int) -> Point:
        return self._replace(x=self.x + by)

    def __str__(self) -> str:
        return f"({self.x}, {self.y})"


class Theirs(typing.NamedTuple):
    x: int
    y: int = 0
    name: str | None = None


def test_a_named_tuple_is_what_typing_makes_of_it() -> None:
    point: typing.Any = Point(3, name="far")
    theirs = Theirs(3, name="far")
    assert point == (3, 0, "far") == theirs
    assert (point.sum, str(point), point.moved(2)) == (3, "(3, 0)", Point(5, 0, "far"))
    assert repr(point).replace("Point", "Theirs") == repr(theirs) == "Theirs(x=3, y=0, name='far')"
    assert (Point.__doc__, Point.__module__, Point.__qualname__) == ("A point.", __name__, "Point")
    assert Point._fields == Theirs._fields and Point._field_defaults == Theirs._field_defaults
    assert typing.get_type_hints(Point) == typing.get_type_hints(Theirs)
    copies = copy.copy(point), pickle.loads(pickle.dumps(point)), Point._make(point)
    assert all(one == point and type(one) is Point for one in copies)
    assert not hasattr(point, "__dict__") and not hasattr(theirs, "__dict__")
    with pytest.raises(TypeError):
        Point()  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        point.x = 4
    match point:
        case Point(x, y, str(name)):
            assert (x, y, name) == (3, 0, "far")
        case _:
            pytest.fail("a pattern of its places")


def test_no_annotation_of_a_named_tuple_is_compiled_at_a_start() -> None:
    """typing.NamedTuple does it for each field: a tenth of what `status` takes to start."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "typing" and path.name != "lazy.py":
                generic = path == PACKAGE / "cli/verb.py"
                names = {alias.name for alias in node.names}
                assert generic or "NamedTuple" not in names, f"{path}: from lazy import NamedTuple"


# What `status` may load of others, with what these load themselves: the first two are in any such program.
MAY_LOAD = (
    *("argparse", "tomllib", "json", "ctypes", "subprocess", "datetime", "shlex", "btrfsutil", "importlib"),
    *("array", "bisect", "errno", "fcntl", "fnmatch", "gc", "math", "pwd", "select", "struct", "zlib"),
)
STATUS = "import impermanenced.cli.main, impermanenced.cli.commands.status, impermanenced.report.report"
ADVISED = "import impermanenced.boots.remedy, subprocess"  # where the program of the initrd gives a reason


def test_status_loads_no_more_than_it_needs() -> None:
    """Neither what shows a report to a person, nor what changes anything, nor another part of the program."""
    loaded = modules(f"{STATUS}; {ADVISED}")
    ours = {name for name in loaded if name.split(".")[0] == "impermanenced"}
    assert loaded - ours <= modules(f"import {', '.join(MAY_LOAD)}") | {"__future__"}
    floors = {name.split(".")[1] for name in ours if "." in name}
    assert not {"alerts", "bus", "copying", "daemon", "keep", "library", "releases", "setup"} & floors
    shown = {"cli.status_text", "cli.rows", "cli.wording", "cli.since", "cli.declared", "cli.next_boot"}
    assert not {f"impermanenced.{name}" for name in shown} & ours
    assert not {name for name in ours if name.startswith("impermanenced.report.suggest")}
    assert len(ours) <= 142, "each costs a fifth of a millisecond"


def test_status_builds_no_dataclass() -> None:
    """The module alone is a quarter of what an interpreter with argparse takes."""
    assert not {"dataclasses", "inspect"} & modules(f"{STATUS}; {ADVISED}")


def test_status_takes_the_orders_and_the_views_that_there_are() -> None:
    assert tuple(rows.ORDERS) == status.ORDERS and tuple(rows.VIEWS) == status.VIEWS


# What is loaded when the daemon watches and has said so, and by PyGObject, which from 3.50 on has asyncio.
DAEMON = (
    "from impermanenced.daemon import main; main.parse([]); main.parse(['--config', 'file']); main._load(); "
    "from impermanenced.system import logger; logger.get().info"
)
PYGOBJECT = (
    "from impermanenced import lazy; lazy.put_off('gi._option').__enter__(); from gi.repository import Gio"
)
RARELY_NEEDED = {
    *("asyncio", "subprocess", "optparse", "argparse", "gettext", "locale"),
    *("watchdog", "pathlib", "tempfile", "shutil", "random", "urllib"),
    *("difflib", "pydbus", "_ssl"),
}


def test_the_daemon_keeps_nothing_in_memory_that_it_rarely_needs() -> None:
    """Together these are a sixth of what it takes when it has started."""
    loaded = modules(DAEMON)
    assert {"impermanenced.daemon.daemon", "structlog", "gi.overrides.GLib", "sqlite3"} <= loaded
    assert not RARELY_NEEDED & (loaded - modules(PYGOBJECT))
    ours = {name for name in loaded if name.split(".")[0] == "impermanenced"}
    floors = {name.split(".")[1] for name in ours if "." in name}
    assert not {"copying", "library", "releases", "setup", "cli"} & floors
    assert not {name for name in ours if name.startswith("impermanenced.report.suggest")}
    assert len(ours) <= 222, "each takes 25 kB"


def test_what_is_put_off_is_loaded_when_it_is_used() -> None:
    program = f"""
        {DAEMON.replace("; ", chr(10) + " " * 8)}
        import gi.overrides.GLib, structlog.stdlib, sys
        put_off = "asyncio", "gi._option"
        print([name for name in put_off if name in sys.modules])
        print(gi.overrides.GLib.option.OptionParser.__module__, structlog.stdlib.asyncio.sleep.__module__)
        print([name for name in put_off if name in sys.modules])
        import asyncio, gi._option
        print(asyncio.sleep is structlog.stdlib.asyncio.sleep, asyncio.__spec__.name)
    """
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], check=True, capture_output=True, text=True
    ).stdout
    before, *after = said.splitlines()
    assert before in ("[]", "['asyncio']"), "the latter with PyGObject from 3.50 on"
    assert after == ["gi._option asyncio.tasks", "['asyncio', 'gi._option']", "True asyncio"]


def test_what_is_loaded_already_is_not_put_off() -> None:
    with put_off("re"):
        assert sys.modules["re"] is re


def test_the_daemon_loads_no_openssl() -> None:
    """asyncio would, which PyGObject from 3.50 on imports: an eighth of the daemon's memory."""
    program = """
        import sys
        import impermanenced.daemon.main
        import asyncio, structlog
        print(sorted(name for name in ("_ssl", "ssl") if sys.modules.get(name)))
        print(asyncio.run(asyncio.sleep(0, "and asyncio works")))
    """
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], check=True, capture_output=True, text=True
    )
    assert said.stdout == "[]\nand asyncio works\n"


def modules(program: str) -> set[str]:
    """What is loaded when this program of Python ends."""
    program = f"import sys; {program}; print(*sys.modules)"
    return set(
        subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True
        ).stdout.split()
    )


def test_the_daemon_watches_before_it_loads_anything_else() -> None:
    """Logins wait for the mark: neither for the bus, nor for the ledger, nor for the report."""
    loaded = modules("import impermanenced.daemon.main")
    assert not {"gi", "sqlite3", "logging", "subprocess", "json", "structlog", "asyncio", "watchdog"} & loaded
    floors = {name.split(".")[1] for name in loaded if name.startswith("impermanenced.")}
    assert not {"alerts", "boots", "bus", "document", "drift", "report"} & floors


def test_the_daemon_answers_before_it_loads_what_only_comes_later() -> None:
    # PyGObject from 3.50 on imports asyncio itself.
    loaded = modules("import impermanenced.daemon.daemon") - modules("from gi.repository import Gio")
    assert not {"structlog", "asyncio", "watchdog", "watchdog.observers"} & loaded


def test_the_process_of_large_reports_loads_no_logger() -> None:
    """It mostly says nothing, and structlog with asyncio is a third of its start."""
    loaded = modules("import impermanenced.daemon.report_process")
    assert not {"structlog", "asyncio", "gi", "pydbus", "watchdog"} & loaded
