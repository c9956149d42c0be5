"""TOML that is read within bounds: the parser's time grows with the square of the parts of a dotted key."""

from __future__ import annotations

import re
import tomllib

from ..lazy import regex

DEEPEST = 32  # parts of a dotted key

# Comments, strings of all four kinds (one that does not end goes on to the end of the line, or of the text),
# bare words, spaces, dots, and whatever else there is.  What an alternative begins with, it also ends:
# nothing is tried twice.  (Possessive quantifiers would say so, and are wrong in Python 3.11.2.)
_TOKEN = regex(
    r"""
      (?P<comment> \#[^\n]* )
    | (?P<long> \"\"\" [^"\\]* (?: (?: \\. | "{1,2}(?!") ) [^"\\]* )* "{0,5} \\?
              | ''' [^']* (?: '{1,2}(?!') [^']* )* '{0,5} )
    | (?P<part> " [^"\\\n]* (?: \\. [^"\\\n]* )* "? | ' [^'\n]* '? | [A-Za-z0-9_-]+ )
    | (?P<space> [ \t]+ )
    | (?P<dot> \. )
    | (?P<other> [^#"'A-Za-z0-9_\-\ \t.]+ )
    """,
    re.DOTALL | re.VERBOSE,
)


def loads(text: str) -> dict[str, object]:
    """Return the document.  Raises ValueError, which says where, and RecursionError."""
    _check_keys(text)
    return tomllib.loads(text)


def _check_keys(text: str) -> None:
    parts, after_part = 0, False
    for token in _TOKEN.finditer(text):
        match token.lastgroup:
            case "part":
                parts = parts if not after_part and parts else 1
                after_part = True
            case "dot" if after_part:
                parts, after_part = parts + 1, False
            case "space":
                continue
            case _:
                parts, after_part = 0, False
        if parts > DEEPEST:
            line = text.count("\n", 0, token.start()) + 1
            raise ValueError(f"a key of more than {DEEPEST} parts (at line {line})")
