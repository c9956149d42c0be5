"""The check of a single value of the configuration.

An error names the file, the key and the value, and hints at the likely meant key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn, TypeVar

from ..errors import ConfigError, UsageError
from ..lazy import Deferred, NamedTuple, regex
from ..paths import PATH_MAX
from ..text import from_text, to_text
from . import settings
from .ignore import Pattern
from .settings import Kind, Setting

Values = dict[str, object]  # of one table by the keys of its settings, each of its setting's kind
T = TypeVar("T")

difflib = Deferred("difflib")

MAX_COUNT = 2**31 - 1

_SPACE = regex(r"([0-9]{1,12})(%|[KMGT]iB)|0")
_SPACE_UNITS = {"KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40}
_NAME = regex(r"[\w@.:+,=-]+")
OWNER = regex(r"[\w.][\w.-]*\$?|\d+")
_MODE = regex(r"[0-7]{3,4}|[ugoa]+[=+-][rwxXst]*(,[ugoa]+[=+-][rwxXst]*)*")
_OPTION = regex(r"[A-Za-z0-9_.:+@%-]+(=[A-Za-z0-9_.:+@%/=-]*)?")
_BARE_KEY = regex(r"[A-Za-z0-9_-]+")


class Where(NamedTuple):
    """A place in a file, as an error message names it."""

    file: str
    key: str = ""

    def __truediv__(self, key: str) -> Where:
        """Return the place of a key in this table."""
        name = key if _BARE_KEY.fullmatch(key) else f'"{shown(key)}"'
        return Where(self.file, f"{self.key}.{name}" if self.key else name)

    def item(self, index: int) -> Where:
        """Return the place of an item in this list."""
        return Where(self.file, f"{self.key}[{index}]")

    def __str__(self) -> str:
        return f"{self.file}: {self.key}" if self.key else self.file

    def fail(self, why: str, hint: str | None = None) -> NoReturn:
        """Raise ConfigError with this place before the message."""
        raise ConfigError(f"{self}: {why}", hint)


class Space(NamedTuple):
    """An amount of space: bytes, or a percentage of the filesystem's size."""

    amount: int = 0
    percent: bool = False

    def of(self, total: int) -> int:
        """Return the amount in bytes, rounded up, for a filesystem of `total` bytes."""
        return -(-total * self.amount // 100) if self.percent else self.amount


NOTHING = Space()


def shown(value: object) -> str:
    """Return a value as text for a message, cut after 80 characters."""
    text = value if isinstance(value, str) else repr(value)
    text = to_text(text.encode("utf-8", "surrogatepass"))
    return text if len(text) <= 80 else f"{text[:77]}..."


def quoted(value: object) -> str:
    """Return a value as TOML would write it, cut like `shown`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{shown(value)}"' if isinstance(value, str) else shown(value)


def _meant(word: str, words: Iterable[str]) -> str:
    words = list(words)
    close = difflib.get_close_matches(word.lower().replace("_", "-"), words, n=1, cutoff=0.5)
    return f'did you mean "{close[0]}"?' if close else f"it can be: {', '.join(words)}"


def path_of(text: str, where: Where, *, relative: bool = False) -> bytes:
    """Return the path without doubled slashes.  Raises ConfigError if the text cannot be such a path."""
    try:
        raw = from_text(text)
    except (UsageError, UnicodeError) as error:
        where.fail(f"{quoted(text)}: {error}", r"write a backslash as \x5c, and TOML wants it doubled: \\x5c")
    if b"\0" in raw or b"\n" in raw:
        where.fail(f"{quoted(text)} has a NUL or a newline in it")
    if len(raw) >= PATH_MAX:
        where.fail(f"a path of {len(raw)} bytes is longer than Linux takes ({PATH_MAX})")
    if not raw:
        where.fail("an empty path")
    parts = [part for part in raw.split(b"/") if part not in (b"", b".")]
    if b".." in parts:
        where.fail(f'{quoted(text)} has ".." in it', "write the path that it leads to")
    if relative and raw.startswith(b"/"):
        where.fail(f"{quoted(text)} is absolute", "a path of a user is relative to the home")
    if not relative and not raw.startswith(b"/"):
        where.fail(f"{quoted(text)} is not absolute", f'write "/{shown(text)}"')
    return b"/".join(parts) if relative else b"/" + b"/".join(parts)


def _subvolume(text: str, where: Where) -> bytes:
    # These names become parts of the names of units and files in the initrd.
    parts = text.removeprefix("/").removesuffix("/").split("/")
    for part in parts:
        _name(part, where, text)
    return "/".join(parts).encode()


def _name(name: str, where: Where, text: str) -> str:
    if name in ("", ".", ".."):
        where.fail(
            f"{quoted(text)} names no subvolume", 'a path from the top level, such as "root" or "@/root"'
        )
    if name.startswith("-") or not _NAME.fullmatch(name):
        where.fail(
            f"{quoted(text)} has a space or a character that a shell would take for its own",
            "letters, digits and @ . : + , = _ - are safe; the subvolume can be renamed",
        )
    return name


def _strings(value: object, setting: Setting, where: Where) -> list[tuple[str, Where]]:
    if not isinstance(value, list):
        where.fail(
            f"{quoted(value)} is not {setting.kind.value}", f"for example {setting.key} = {setting.sample}"
        )
    for index, item in enumerate(value):
        if not isinstance(item, str):
            where.item(index).fail(f"{quoted(item)} is not a string")
    return [(item, where.item(index)) for index, item in enumerate(value)]


def _option(text: str, where: Where) -> str:
    if not _OPTION.fullmatch(text):
        where.fail(
            f"{quoted(text)} is not a mount option",
            "each stands by itself in the list, without commas and spaces",
        )
    return text


def _inside(text: str, where: Where) -> bytes:
    path = path_of(text, where, relative=True)
    if not path:
        where.fail(f"{quoted(text)} is the whole directory", "leave the directory out instead")
    return path


def _pattern(text: str, where: Where) -> str:
    try:
        return Pattern(text).text
    except ValueError as error:
        where.fail(f"{quoted(text)} is not a gitignore pattern: {error}", "gitignore(5) has the syntax")


def _value(value: object, setting: Setting, where: Where) -> object:
    """Return the value as the program uses it.  Raises ConfigError if it is not of the setting's kind."""
    kind = setting.kind
    if kind is Kind.PATHS:
        return tuple(path_of(text, place) for text, place in _strings(value, setting, where))
    if kind is Kind.PATTERNS:
        return [_pattern(text, place) for text, place in _strings(value, setting, where)]
    if kind is Kind.OPTIONS:
        return tuple(_option(text, place) for text, place in _strings(value, setting, where))
    if kind is Kind.INSIDE:
        return tuple(_inside(text, place) for text, place in _strings(value, setting, where))
    if kind is Kind.NAMES:
        return tuple(text for text, _ in _strings(value, setting, where))
    if kind is Kind.WORDS:
        return tuple(_word(text, setting, place) for text, place in _strings(value, setting, where))
    if not _is(value, kind):
        where.fail(f"{quoted(value)} is not {kind.value}", f"for example {setting.key} = {setting.sample}")
    return _from_text(value, setting, where) if isinstance(value, str) else value


def _from_text(text: str, setting: Setting, where: Where) -> object:
    kind = setting.kind
    if kind is Kind.SUBVOLUME or (kind is Kind.BLANK and text):
        return _subvolume(text, where)
    if kind is Kind.BLANK:
        return b""
    if kind is Kind.NAME:
        return _name(text, where, text)
    if kind is Kind.SPACE:
        return _space(text)
    if kind is Kind.WORD:
        return _word(text, setting, where)
    return text  # a path stays text: the caller knows whether it is absolute or relative to a home


def _word(text: str, setting: Setting, where: Where) -> str:
    if text not in setting.words:
        where.fail(f"{quoted(text)} is none of the words it can be", _meant(text, setting.words))
    return text


def _space(text: str) -> Space:
    number, unit = text.rstrip("%KMGTiB"), text.lstrip("0123456789")
    return Space(int(number) << _SPACE_UNITS.get(unit, 0), unit == "%")


def _is(value: object, kind: Kind) -> bool:
    if kind is Kind.SWITCH:
        return isinstance(value, bool)
    if kind is Kind.COUNT:
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT
    if kind is Kind.TABLE:
        return isinstance(value, dict)
    if kind is Kind.ENTRIES:
        return isinstance(value, list)
    if not isinstance(value, str):
        return False
    if kind is Kind.OWNER:
        return OWNER.fullmatch(value) is not None
    if kind is Kind.SPACE:
        match = _SPACE.fullmatch(value)
        return match is not None and (match[2] != "%" or int(match[1]) <= 100)
    if kind is Kind.MODE:
        return _MODE.fullmatch(value) is not None
    return True


def table_of(section: str, raw: object, where: Where) -> Values:
    """Return the values of a table, each by its setting's own key.  Raises ConfigError."""
    if not isinstance(raw, dict):
        where.fail(f"{quoted(raw)} is not a table", f"write {section}" if "{" not in section else None)
    known = settings.of(section)
    values: Values = {}
    for key, value in raw.items():
        if key not in known:
            (where / key).fail("there is no such key", likely(key, known))
        setting = known[key]
        if setting.key in values:
            (where / key).fail(f"the same as {setting.key}, which is there as well", "leave one of them out")
        values[setting.key] = _value(value, setting, where / key)
    return values


def find(values: Values, key: str, kind: type[T]) -> T | None:
    """Return the value of a setting whose kind makes this type, or None where it was not given."""
    value = values.get(key)
    if value is not None and not isinstance(value, kind):
        raise TypeError(f"{key} is no {kind.__name__}")
    return value


def made(settings_of: Callable[..., T], values: Mapping[str, object]) -> T:
    """Return the settings of a section, with their defaults where there is no value."""
    return settings_of(**{key.replace("-", "_"): value for key, value in values.items()})


def likely(key: str, known: Iterable[str]) -> str:
    """Return a hint for an unknown key: the section that it belongs to, the key that was probably meant, or
    all keys.
    """
    known = list(known)
    if not difflib.get_close_matches(key.lower().replace("_", "-"), known, n=1, cutoff=0.5):
        for setting in settings.SETTINGS:
            if key in (setting.key, *setting.also) and setting.section in settings.SECTIONS:
                return f"it belongs below {setting.section}"
    return _meant(key, known)
