"""Paths to text and back."""

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impermanenced import text
from impermanenced.errors import UsageError
from impermanenced.text import from_text, time_to_text, to_text

from ..conftest import calls

paths = st.lists(
    st.one_of(st.binary(max_size=4), st.text(max_size=4).map(str.encode), st.just(b"\\x41"), st.just(b"\\")),
    max_size=8,
).map(b"".join)


@hypothesis.settings(deadline=None)
@given(paths)
def test_any_bytes_round_trip(raw: bytes) -> None:
    assert from_text(to_text(raw)) == raw


@hypothesis.settings(deadline=None)
@given(paths)
def test_text_is_one_printable_line(raw: bytes) -> None:
    text = to_text(raw)
    assert len(text.splitlines()) <= 1
    assert text.isprintable()
    text.encode()  # no lone surrogate is left


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"/etc/caf\xc3\xa9", "/etc/café"),
        (b"/a\nb", r"/a\x0ab"),
        (b"/\xff", r"/\xff"),
        (b"/a\\b", r"/a\x5cb"),
        (b"/\x1b[31m", r"/\x1b[31m"),
        ("/\u202etxt.exe".encode(), r"/\xe2\x80\xaetxt.exe"),
        ("/a\u200bb".encode(), r"/a\xe2\x80\x8bb"),
        ("/\u0085".encode(), r"/\xc2\x85"),
        ("/a\u00a0b".encode(), r"/a\xc2\xa0b"),  # reads as a space
        ("/a\u00adb".encode(), r"/a\xc2\xadb"),  # a hyphen that is not there
        ("/\U000e0041".encode(), r"/\xf3\xa0\x81\x81"),  # a tag character
    ],
)
def test_escapes(raw: bytes, text: str) -> None:
    assert to_text(raw) == text


@pytest.mark.parametrize("text", ["\\", r"\n", r"\xg0", r"\x5", r"\X41", r"\x4A"])
def test_a_stray_backslash_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        from_text(text)


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 1e9, 2**63 / 1e9, -(2**63) / 1e9, 1e30])
def test_any_time_of_a_file_has_a_text(seconds: float) -> None:
    assert time_to_text(seconds) is not None


@pytest.mark.parametrize("octets", [b"\xff", b"\n", "\u200b".encode(), b"a\xff", "é\u200b".encode(), b"\\"])
def test_escaping_is_one_pass_whatever_the_bytes_are(octets: bytes) -> None:
    to_text(octets)  # which characters it knows
    assert calls(lambda: to_text(octets * 10)) == calls(lambda: to_text(octets * 10_000))


def test_what_escaping_remembers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "_ESCAPES", text._Escapes())
    for code in range(0xE000, 0xE000 + 6000):
        to_text(chr(code).encode())
    assert len(text._ESCAPES) <= text._KNOWN
    assert to_text("\uf800".encode()) == "\\xef\\xa0\\x80"
