"""What is one row: what a person would call one thing."""

from __future__ import annotations

from impermanenced.cli import rows
from impermanenced.model import Advice, AdviceKind, Change, Entry, FileType

from .reports import directory, entry, writer


def test_a_created_directory_stands_for_what_is_in_it() -> None:
    found = rows.rows(
        [
            directory("/a"),
            directory("/a/b"),
            entry("/a/b/c", size=5, writer=writer("x.service")),
            entry("/a/d", size=5, writer=writer("y.service")),
            entry("/a/e", size=5, writer=writer("x.service")),
            entry("/ab", size=1),
        ]
    )
    assert [(row.path, row.what, row.size, row.who) for row in found] == [
        ("/a/", "3 files", 15, "x.service and 1 other"),
        ("/ab", "1 file", 1, ""),
    ]


def test_lone_files_of_one_directory_are_one_row_a_writer() -> None:
    found = rows.rows(
        [
            entry("/etc/a", size=3, writer=writer("x.service")),
            entry("/etc/b", size=3, writer=writer("x.service")),
            entry("/etc/c", size=2, writer=writer("y.service")),
            entry("/etc/d", change=Change.DELETED, size=99),
            entry("/etc/e", change=Change.DELETED, size=99),
        ]
    )
    assert [(row.path, row.what, row.size) for row in found] == [
        ("/etc/{a,b}", "2 files", 6),
        ("/etc/c", "1 file", 2),
        ("/etc/{d,e}", "2 deleted", 0),
    ]


def test_what_somebody_asked_for_stands_before_what_came_with_it() -> None:
    def part(package: str, kind: AdviceKind) -> Entry:
        advice = (Advice(kind, package),)
        return entry(f"/usr/{package}", package=package, advice=advice, bookkeeping=package == "dpkg")

    brought = [part(name, AdviceKind.WITH_PACKAGE) for name in ("liba", "libb", "libc")]
    asked = [part(name, AdviceKind.DECLARE_PACKAGE) for name in ("nginx", "dpkg")]
    (row,) = rows.rows([*brought, *asked])
    assert (row.path, row.loss) == ("nginx, liba, libb, libc", "packages")


def test_directories_that_lead_to_another_row_are_none() -> None:
    found = rows.rows(
        [
            directory("/home/a/code", group=b"/home/a/code"),
            directory("/home/a/code/notes", group=b"/home/a/code/notes"),
            entry("/home/a/code/notes/plan", group=b"/home/a/code/notes"),
            directory("/home/a/empty", group=b"/home/a/empty"),
        ]
    )
    assert [(row.path, row.what) for row in found] == [
        ("/home/a/code/notes/", "1 file"),
        ("/home/a/empty/", "empty"),
    ]


def test_a_nested_subvolume_is_a_row_of_its_own() -> None:
    found = rows.rows([directory("/a"), entry("/a/b"), entry("/a/s", type=FileType.SUBVOLUME)])
    assert [(row.path, row.what) for row in found] == [("/a/", "1 file"), ("/a/s/", "subvolume")]


def test_volumes_do_not_mix() -> None:
    found = rows.rows([directory("/a"), entry("/a/b", volume="home"), entry("/a/c", volume="home")])
    assert [row.what for row in found] == ["empty", "2 files"]
