"""A pattern of gitignore(5) as a regular expression that never goes back far.

Hard facts
    git's own matcher tries a star at every place for every place of the stars before it: a pattern with
    eight of them takes years on a name of 255 letters that somebody chose.  Between two stars the first
    place that fits is as good as any later one, and so it is between two `**`: each such stretch is an
    atomic group, which is not tried again.  What is left is the last star of a component, and that costs
    its length. Names are bytes to git: `?` is one of them, and a bracket holds some of them.
"""

from __future__ import annotations

import itertools
import re
import string
from collections.abc import Iterator

_ANY, _NOTHING = b"[^/]", b"(?!)"
_STAR = None  # stands for a star among the pieces of a component
_CLASSES = {
    b"alnum": string.ascii_letters + string.digits,
    b"alpha": string.ascii_letters,
    b"blank": " \t",
    b"cntrl": "".join(map(chr, (*range(32), 127))),
    b"digit": string.digits,
    b"graph": "".join(map(chr, range(33, 127))),
    b"lower": string.ascii_lowercase,
    b"print": "".join(map(chr, range(32, 127))),
    b"punct": string.punctuation,
    b"space": " \t\n\v\f\r",
    b"upper": string.ascii_uppercase,
    b"xdigit": string.hexdigits,
}


def expression(pattern: bytes) -> bytes:
    """Return the regular expression for `fullmatch` with a path relative to the root.

    The pattern comes without the `!` before it and the slash behind it.  Raises ValueError if it can match
    nothing.
    """
    if b"/" not in pattern:
        return b"(?>(?:.+/)?)" + _component(list(_pieces(pattern)))
    parts = list(_parts(pattern.removeprefix(b"/")))
    if not any(parts):
        raise ValueError("a pattern that matches nothing")
    written, stretch = b"", b""
    after_tree = False
    for number, part in enumerate(parts):
        last = number + 1 == len(parts)
        if part != b"**":
            stretch += _component(list(_pieces(part))) + (b"" if last else b"/")
        elif last:
            stretch += b".+"
        elif not after_tree or stretch:
            written += _after_tree(stretch) if after_tree else stretch
            stretch, after_tree = b"", True
    return written + (b"(?:.+/)?" + stretch if after_tree else stretch)


def _after_tree(stretch: bytes) -> bytes:
    """Return the expression of a stretch between two `**`, which matches at the first place that fits."""
    return b"(?>(?:.+?/)??" + stretch + b")"


def _parts(pattern: bytes) -> Iterator[bytes]:
    """Yield the components; a slash inside a bracket does not separate two."""
    start = at = 0
    while at < len(pattern):
        if pattern[at : at + 1] == b"/":
            yield pattern[start:at]
            start = at + 1
        elif pattern[at : at + 1] == b"[":
            at = _bracket(pattern, at + 1)[1] - 1
        elif pattern[at : at + 1] == b"\\":
            at += 1
        at += 1
    yield pattern[start:]


def _component(pieces: list[bytes | None]) -> bytes:
    stars = [number for number, piece in enumerate(pieces) if piece is _STAR]
    if not stars:
        return b"".join(piece or b"" for piece in pieces)
    written = b"".join(piece or b"" for piece in pieces[: stars[0]])
    for star, following in itertools.pairwise(stars):
        fixed = b"".join(piece or b"" for piece in pieces[star + 1 : following])
        written += b"(?>[^/]*?" + fixed + b")" if fixed else b""
    return written + b"[^/]*" + b"".join(piece or b"" for piece in pieces[stars[-1] + 1 :])


def _pieces(part: bytes) -> Iterator[bytes | None]:
    """Yield the expressions of a component's pieces; each matches one byte, except _STAR."""
    at = 0
    while at < len(part):
        character = part[at : at + 1]
        at += 1
        if character == b"*":
            yield _STAR
        elif character == b"?":
            yield _ANY
        elif character == b"[":
            piece, at = _bracket(part, at)
            yield piece
        else:
            if character == b"\\":
                character = part[at : at + 1]
                at += 1
            if not character:
                raise ValueError("a backslash at the end matches nothing")
            yield re.escape(character)


def _bracket(part: bytes, at: int) -> tuple[bytes, int]:
    """Return the expression of a bracket and where it ends; `at` is the place behind its first character."""
    negated = part[at : at + 1] in (b"!", b"^")
    at += negated
    chosen: set[int] = set()
    before: int | None = None  # where a range may begin
    begin = at
    while at == begin or part[at : at + 1] != b"]":
        if at >= len(part):
            raise ValueError("a bracket that is not closed matches nothing")
        if (
            part[at : at + 2] == b"[:"
            and (end := part.find(b"]", at + 2)) > 0
            and part[end - 1 : end] == b":"
        ):
            chosen.update(_class(part[at + 2 : end - 1]))
            at, before = end + 1, None
        elif part[at] == 0x2D and before is not None and part[at + 1 : at + 2] not in (b"", b"]"):
            at += 2 if part[at + 1] == 0x5C else 1
            chosen.update(range(before, _byte(part, at) + 1))
            at, before = at + 1, None
        else:
            at += part[at] == 0x5C
            before = _byte(part, at)
            chosen.add(before)
            at += 1
    kept = (set(range(256)) - chosen if negated else chosen) - {0x2F}
    written = b"".join(b"\\x%02x" % byte for byte in sorted(kept))
    return (b"[" + written + b"]" if kept else _NOTHING), at + 1


def _byte(part: bytes, at: int) -> int:
    if at >= len(part):
        raise ValueError("a bracket that is not closed matches nothing")
    return part[at]


def _class(name: bytes) -> bytes:
    if name not in _CLASSES:
        raise ValueError(f"[:{name.decode('utf-8', 'replace')}:] is no class of characters")
    return _CLASSES[name].encode()
