"""The fields of a JSON object: writing a value, and reading it back with its type and range.

Each reading function raises Misfit if a field is not what it has to be, and KeyError if it is missing;
`inside`, `each` and `whole` turn that into a Misfit, too.
"""

from __future__ import annotations

import datetime
import functools
import json
import math
from collections.abc import Callable, Mapping
from typing import TypeVar

from ..errors import ServiceError, UsageError
from ..lazy import Deferred, regex
from ..text import from_text, to_text

base64 = Deferred("base64")

VERSION = 1  # it grows when a key changes its meaning or is removed
MOST = 2**64 - 1  # the largest size, count or inode number
UID_MAX = 2**32 - 1

Object = dict[str, object]
T = TypeVar("T")

_HINT = "it may be of another version than this program: systemctl restart impermanenced"

_MODE = regex(r"[0-7]{4}")
_SHOWN = 60  # characters of a value that an error shows


class Misfit(Exception):
    """An error in a field; `where` is its place in the document, such as `entries[3].mode`."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(where, why)
        self.where = where
        self.why = why

    def below(self, place: str) -> Misfit:
        """Return the error as seen from an object or a list further out."""
        return Misfit(place + (self.where if self.where.startswith("[") else f".{self.where}"), self.why)


def _misfit(fields: Object, key: str, wanted: str) -> Misfit:
    value = fields[key]
    if isinstance(value, str | int | float | None):
        shown = ascii(value)
        if len(shown) > _SHOWN:
            shown = f"{shown[: _SHOWN - 3]}..."
        return Misfit(key, f"{shown} is not {wanted}")
    return Misfit(key, f"{'a list' if isinstance(value, list) else 'an object'} is not {wanted}")


def dump(document: Object) -> str:
    """Return an object as JSON text."""
    return json.dumps(document, ensure_ascii=False)


def printed(document: Object) -> str:
    """Return the document as `--json` prints it: one line of ASCII."""
    return json.dumps(document) + "\n"


# Plain values


def text(fields: Object, key: str) -> str:
    """Return a text."""
    value = fields[key]
    if type(value) is not str:
        raise _misfit(fields, key, "a text")
    return value


def flag(fields: Object, key: str) -> bool:
    """Return true or false."""
    value = fields[key]
    if type(value) is not bool:
        raise _misfit(fields, key, "true or false")
    return value


def number(fields: Object, key: str, most: int = MOST, least: int = 0) -> int:
    """Return a whole number in this range."""
    value = fields[key]
    if type(value) is not int or not least <= value <= most:
        raise _misfit(fields, key, f"a number from {least} to {most}")
    return value


def uid(fields: Object, key: str) -> int:
    """Return a user or group id."""
    return number(fields, key, UID_MAX)


def mode(fields: Object, key: str) -> int:
    """Return permission bits, which are written as four octal digits."""
    value = fields[key]
    if type(value) is not str or not _MODE.fullmatch(value):
        raise _misfit(fields, key, "four octal digits")
    return int(value, 8)


def one_of(fields: Object, key: str, table: Mapping[str, T]) -> T:
    """Return the value that the table has for this word."""
    value = fields[key]
    if type(value) is not str or value not in table:
        raise _misfit(fields, key, f"one of {', '.join(table)}")
    return table[value]


def optional(read: Callable[[Object, str], T], fields: Object, key: str) -> T | None:
    """Return what `read` takes from the field, or None where it holds null."""
    return None if fields[key] is None else read(fields, key)


def items(fields: Object, key: str) -> list[object]:
    """Return a list."""
    value = fields[key]
    if type(value) is not list:
        raise _misfit(fields, key, "a list")
    return value


def texts(fields: Object, key: str) -> tuple[str, ...]:
    """Return a list of texts."""
    value = fields[key]
    if type(value) is not list or not all(type(one) is str for one in value):
        raise _misfit(fields, key, "a list of texts")
    return tuple(value)


# Objects in objects


def whole(fields: Object, read: Callable[[Object], T]) -> T:
    """Return what `read` makes of an object."""
    try:
        return read(fields)
    except KeyError as error:
        raise Misfit(str(error.args[0]), "is missing") from None


def inside(fields: Object, key: str, read: Callable[[Object], T]) -> T:
    """Return what `read` makes of the object that stands there."""
    value = fields[key]
    if type(value) is not dict:
        raise _misfit(fields, key, "an object")
    try:
        return whole(value, read)
    except Misfit as error:
        raise error.below(key) from None


def each(fields: Object, key: str, read: Callable[[Object], T]) -> tuple[T, ...]:
    """Return what `read` returns for each object in this list."""
    found = []
    for place, one in enumerate(items(fields, key)):
        if type(one) is not dict:
            raise Misfit(f"{key}[{place}]", "is not an object")
        try:
            found.append(read(one))
        except Misfit as error:
            raise error.below(f"{key}[{place}]") from None
        except KeyError as error:
            raise Misfit(f"{key}[{place}].{error.args[0]}", "is missing") from None
    return tuple(found)


# Paths


def path_fields(raw: bytes, name: str = "path") -> dict[str, str]:
    """Return `path`, and `path_raw` with the exact bytes in base64 if escaping changed the path."""
    word = to_text(raw)
    if word.encode("utf-8", "surrogateescape") == raw:
        return {name: word}
    return {name: word, f"{name}_raw": base64.b64encode(raw).decode()}


def path(fields: Object, name: str = "path") -> bytes:
    """Return the bytes of a path that `path_fields` wrote."""
    word = text(fields, name)
    if (key := f"{name}_raw") not in fields:
        if "\\" in word:
            raise _misfit(fields, name, f"a path by itself: {key} is missing")
        return _encoded(fields, name, word)
    try:
        raw: bytes = base64.b64decode(text(fields, key), validate=True)
    except ValueError:  # binascii.Error is one
        raise _misfit(fields, key, "base64") from None
    if to_text(raw) != word:
        raise _misfit(fields, key, f"the path that {name} shows")
    return raw


def absolute(fields: Object, name: str = "path") -> bytes:
    """Return the bytes of an absolute path."""
    raw = path(fields, name)
    if raw[:1] != b"/" or b"\0" in raw:
        raise _misfit(fields, name, "an absolute path")
    return raw


def escaped(raw: bytes | str) -> str:
    """Return a name as text that `octets` reads back, where no field beside it has the exact bytes."""
    return to_text(raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogateescape"))


def octets(fields: Object, key: str) -> bytes:
    """Return the bytes of a name that `escaped` wrote."""
    word = text(fields, key)
    if "\\" not in word:
        return _encoded(fields, key, word)
    try:
        return from_text(word)
    except (UsageError, UnicodeEncodeError):
        raise _misfit(fields, key, r"a text with \xNN alone") from None


def _encoded(fields: Object, key: str, word: str) -> bytes:
    try:
        return word.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise _misfit(fields, key, "valid Unicode") from None


# Times


@functools.lru_cache(maxsize=10_000)  # files that one program writes have few different seconds
def _seconds(word: str) -> int:
    """Return seconds since 1970.  Raises ValueError for what is no time with its offset."""
    then = datetime.datetime.fromisoformat(word)
    if then.tzinfo is None:
        raise ValueError(word)
    return math.floor(then.timestamp())


def time(fields: Object, key: str) -> int:
    """Return seconds since 1970 of a time in RFC 3339."""
    try:
        return _seconds(text(fields, key))
    except (ValueError, OverflowError):
        raise _misfit(fields, key, "a time with its offset") from None


# The whole


def parsed(content: bytes) -> object:
    """Return what JSON of another program says.  Raises ValueError for what is none."""
    try:
        found: object = json.loads(content)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return found


def loaded(content: bytes, what: str, read: Callable[[Object], T]) -> T:
    """Return what `read` returns for the object in these bytes.  Raises ServiceError, which says where
    something is wrong.
    """
    try:
        # Names that are not UTF-8 were written as their bytes.
        document = json.loads(content.decode("utf-8", "surrogateescape"))
        if type(document) is not dict:
            raise Misfit("", "is not an object")
        whole(document, _check_version)
        return whole(document, read)
    except Misfit as error:
        where = f"{error.where}: " if error.where else ""
        raise ServiceError(f"impermanenced: its {what} cannot be used: {where}{error.why}", _HINT) from None
    except json.JSONDecodeError as error:
        where = f"{error.msg} at character {error.pos:,} of {len(error.doc):,}"
        raise ServiceError(f"impermanenced: its {what} is cut off or no JSON: {where}", _HINT) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets without end
        raise ServiceError(f"impermanenced: its {what} is no JSON: {error}", _HINT) from None


def _check_version(document: Object) -> None:
    version = number(document, "version")
    if version != VERSION:
        age = "newer" if version > VERSION else "older"
        raise Misfit("version", f"{version} is {age} than this program's {VERSION}")
