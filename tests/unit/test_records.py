"""The golden files that the hook's parser reads too, and what this side adds to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impermanenced import state
from impermanenced.boots import records
from impermanenced.errors import RecordError

GOLDEN = Path(__file__).parent.parent / "golden"
BOOT_ID = "f3b2a1d0-1111-4222-8333-444455556666"
PARSE: dict[str, Callable[[bytes, bytes], object]] = {
    "rollback": records.parse_rollback,
    "next": records.parse_next,
    "record": records.parse_record,
}
FORMAT: dict[str, Callable[..., bytes]] = {
    "rollback": records.format_rollback,
    "next": records.format_next,
    "record": records.format_record,
}


def golden(sort: str) -> list[object]:
    files = sorted(GOLDEN.glob(f"*/{sort}/*.env"))
    return [pytest.param(path, id=f"{path.parent.parent.name}-{path.stem}") for path in files]


@pytest.mark.parametrize("path", golden("valid"))
def test_valid_file_survives_a_round_trip(path: Path) -> None:
    kind = path.parent.parent.name
    parsed = PARSE[kind](path.read_bytes(), b"x")
    written = FORMAT[kind](parsed)
    assert PARSE[kind](written, b"x") == parsed
    assert set(path.read_bytes().splitlines()) <= set(written.splitlines())


@pytest.mark.parametrize("path", golden("invalid"))
def test_invalid_file_is_refused_by_name(path: Path) -> None:
    with pytest.raises(RecordError, match=r"^some\\x0afile(:\d+)?: ") as error:
        PARSE[path.parent.parent.name](path.read_bytes(), b"some\nfile")
    assert error.value.message.isprintable()


def test_error_names_the_line() -> None:
    content = (GOLDEN / "rollback/invalid/percent-zz.env").read_bytes()
    with pytest.raises(RecordError, match=r"^r:9: not KEY=value$"):
        records.parse_rollback(content, b"r")


def test_values_of_the_full_file() -> None:
    rollback = records.parse_rollback((GOLDEN / "rollback/valid/full.env").read_bytes())
    assert rollback == records.RollbackEnv(
        volumes=(
            records.RollbackVolume(
                name="root",
                subvolume=b"root",
                blank=b"root-blank",
                blank_uuid="0aa0f9de-7a55-4b3c-8f5c-7d8f4a1f0b02",
                require=(b"/bin/sh", b"/etc/os-release"),
            ),
        ),
        fsid="6b1f0c1e-3c5a-4d0e-9a51-0d2f6c1f9a11",
        device=b"/dev/mapper/crypt-root",
        archive=b"old_roots",
        wipe=True,
        on_failure="stop",
        on_missing_blank="create-empty",
    )


def test_escapes_stand_for_bytes() -> None:
    (volume,) = records.parse_rollback((GOLDEN / "rollback/valid/escapes.env").read_bytes()).volumes
    assert volume.subvolume == "my rööt % a=b".encode()
    assert volume.blank == b"bl\xffank"
    assert volume.require == (b"/a\nb/\tc", b"/ $(x) `y` \\n '\" *")


@given(st.binary(max_size=40).filter(lambda raw: b"\0" not in raw))
def test_every_path_without_nul_can_be_required(raw: bytes) -> None:
    volume = records.RollbackVolume("root", b"root", None, require=(b"/" + raw.replace(b"..", b""),))
    rollback = records.RollbackEnv(volumes=(volume,))
    assert records.parse_rollback(records.format_rollback(rollback)) == rollback


@given(st.binary(max_size=200))
def test_parser_raises_nothing_but_record_errors(content: bytes) -> None:
    for parse in PARSE.values():
        for raw in (content, b"VERSION=1\n" + content + b"\n"):
            try:
                parse(raw, b"x")
            except RecordError as error:
                assert error.message.isprintable()


def test_format_refuses_what_the_hook_would_refuse() -> None:
    root = records.RollbackVolume("root", b"root", b"root-blank")
    for volumes, archive in [
        ((), b"old_roots"),
        ((root, root), b"old_roots"),
        ((root,), b"root/old"),
        ((root._replace(subvolume=b"a;b"),), b"old_roots"),
        ((root._replace(require=(b"/a\0b",)),), b"old_roots"),
    ]:
        with pytest.raises(RecordError):
            records.format_rollback(records.RollbackEnv(volumes=volumes, archive=archive))


def test_names_of_old_roots() -> None:
    assert state.archive_name(7, BOOT_ID) == b"7-" + BOOT_ID.encode()
    assert state.parse_archive_name(state.archive_name(7, BOOT_ID)) == (7, BOOT_ID, None)
    assert state.parse_archive_name(state.archive_name(7, BOOT_ID, "home")) == (7, BOOT_ID, "home")
    for name in (
        b"2024-01-01_10:00:00",
        b"7-unused-" + BOOT_ID.encode(),
        b"07-" + BOOT_ID.encode(),
        b"blank",
    ):
        assert state.parse_archive_name(name) is None


def test_the_end_of_a_boot_reads_back() -> None:
    end = records.EndRecord(BOOT_ID, 1_700_000_000, 12, 3 << 40, complete=False)
    content = records.format_end(end)
    assert content.decode() == (
        f"VERSION=1\nBOOT_ID={BOOT_ID}\nTIME=1700000000\nCRUD=12\nBYTES={3 << 40}\nCOMPLETE=no\n"
    )
    assert records.parse_end(content, b"boots/7.end") == end


@pytest.mark.parametrize(
    "change",
    [
        ("VERSION=1", "VERSION=2"),
        ("CRUD=12\n", ""),
        ("CRUD=12", "CRUD=-1"),
        ("COMPLETE=no", "COMPLETE=maybe"),
        ("TIME=", "VOLUME=root\nTIME="),
        ("TIME=", "OTHER=1\nTIME="),
    ],
)
def test_the_end_of_a_boot_that_is_none(change: tuple[str, str]) -> None:
    content = records.format_end(records.EndRecord(BOOT_ID, 1_700_000_000, 12, 5, complete=False))
    with pytest.raises(RecordError, match=r"boots/7\.end"):
        records.parse_end(content.decode().replace(*change).encode(), b"boots/7.end")
