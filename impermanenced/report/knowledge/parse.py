"""The parser of one rule file, which has a message with the line for each mistake."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ...config import toml
from ...lazy import Deferred, regex
from ...losses import LossClass
from ...text import to_text
from . import trie
from .facts import ADVICE, ADVICE_WITH_PATH, CRUD, IGNORED, VERDICTS, Rule

MAX_PATTERNS = 4096  # in one file
MAX_WILD = 512  # patterns with a wildcard in one file
MAX_PROBLEMS = 20  # messages for one file

_KEYS: dict[str, type] = {
    "application": str,
    "what": str,
    "paths": list,
    "names": list,
    "class": str,
    "score": int,
    "verdict": str,
    "part": bool,
    "default": bool,
    "whole": bool,
    "everywhere": bool,
    "advice": list,
    "documented": str,
    "examples": list,
    "essential": str,
    "keeps": list,
    "initrd": bool,
}
difflib = Deferred("difflib")
_WORDS = {str: "a string", list: "a list of strings", int: "a whole number", bool: "true or false"}
_NEEDED = ("application", "what", "class")
_HEADER = regex(r"^\s*\[\[\s*rule\s*\]\]", re.MULTILINE)


class Malformed(Exception):
    """An error for a file that cannot be used, with a message for each reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def parse(content: bytes, name: str) -> list[Rule]:
    """Return the rules in a file's content.  Raises Malformed.

    `name` is for messages; its last part becomes `Rule.file`.
    """
    try:
        text = content.decode()
        document = toml.loads(text)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Malformed([f"{name}: line {line}: byte 0x{content[error.start]:02x} is not UTF-8"]) from None
    except RecursionError:
        raise Malformed([f"{name}: nested too deeply"]) from None
    except ValueError as error:
        raise Malformed([f"{name}: {to_text(str(error).encode('utf-8', 'replace'))}"]) from None
    return _Reader(name, text).rules(document)


class _Reader:
    """The state of reading one file.  tomllib does not give the lines of keys, so they are looked up in the
    text.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.problems: list[str] = []
        self.patterns = 0
        self.wild = 0
        self.headers = [match.start() for match in _HEADER.finditer(text)]

    def rules(self, document: dict[str, object]) -> list[Rule]:
        """Return the rules of the document.  Raises Malformed."""
        for key in document:
            if key != "rule":
                place = f"{self.name}: line {self._line_of(key)}"
                self.problems.append(f"{place}: {_shown(key)}: a file has [[rule]] tables and nothing else")
        tables = document.get("rule", [])
        if not isinstance(tables, list):
            raise Malformed([f"{self.name}: one table: there can be several, write [[rule]]"])
        found = [self._rule(number, table) for number, table in enumerate(tables)]
        if self.patterns > MAX_PATTERNS or self.wild > MAX_WILD:
            limits = f"{MAX_PATTERNS} patterns, or {MAX_WILD} with a wildcard"
            self.problems.append(f"{self.name}: more than {limits}")
        if self.problems:
            more = len(self.problems) - MAX_PROBLEMS
            told = self.problems[:MAX_PROBLEMS] + ([f"{self.name}: and {more} more"] if more > 0 else [])
            raise Malformed(told)
        return [rule for rule in found if rule is not None]

    def _rule(self, number: int, table: object) -> Rule | None:
        if not isinstance(table, dict):
            self._problem(number, "", "not a table: write [[rule]]")
            return None
        before = len(self.problems)
        for key, value in table.items():
            wrong = _wrong(key, value)
            if wrong:
                self._problem(number, key, wrong)
        for key in _NEEDED:
            if not table.get(key):
                self._problem(number, "", f"a rule needs {key}")
        if bool(table.get("paths")) == bool(table.get("names")):
            self._problem(number, "", "a rule needs paths, or names in their place")
        if table.get("everywhere") and not table.get("names"):
            self._problem(number, "everywhere", "only names can count everywhere")
        if len(self.problems) > before:
            return None
        for text in table.get("paths", []):
            self._check_pattern(number, text)
        for text in table.get("names", []):
            self._check_name(number, text)
        for text in table.get("advice", []):
            self._check_advice(number, text)
        for text in table.get("keeps", []):
            if not text.startswith("/") or trie.is_wild(text):
                self._problem(number, "keeps", f"{_shown(text)}: a path of the system without wildcards")
        for text in table.get("examples", []):
            if not text.startswith(("/", "~/")):
                self._problem(number, "examples", f'{_shown(text)}: an example begins with "/" or "~/"')
        if len(self.problems) > before:
            return None
        return self._made(number, table)

    def _made(self, number: int, table: dict[str, object]) -> Rule:
        loss = LossClass(_text(table, "class"))
        score = table.get("score")
        return Rule(
            self.name[self.name.rfind("/") + 1 :],
            self._line(number),
            _text(table, "application"),
            _text(table, "what"),
            _texts(table, "paths"),
            loss,
            score if isinstance(score, int) else loss.traits.weight,
            _text(table, "verdict") or (IGNORED if loss is LossClass.CACHE else CRUD),
            table.get("part") is True,
            table.get("default") is True,
            tuple(text.partition(" ")[::2] for text in _texts(table, "advice")),
            _text(table, "documented"),
            _texts(table, "names"),
            table.get("whole") is True,
            table.get("everywhere") is True,
            _texts(table, "examples"),
            _text(table, "essential"),
            _texts(table, "keeps"),
            table.get("initrd") is True,
        )

    def _check_name(self, number: int, text: str) -> None:
        name = text.removeprefix(trie.HOME).removeprefix("/")
        if "/" in name.rstrip("/") or not name.rstrip("/") or name.rstrip("/") == trie.DEEP:
            why = 'a name is one component, for one side alone with "/" or "~/" before it'
            self._problem(number, "names", f"{_shown(text)}: {why}")
            return
        self._check_pattern(number, f"/{name}", "names")

    def _check_pattern(self, number: int, text: str, key: str = "paths") -> None:
        try:
            parts = trie.check(text)
        except trie.PatternError as error:
            self._problem(number, key, f"{_shown(text)}: {error}")
            return
        self.patterns += 1
        self.wild += any(map(trie.is_wild, parts))

    def _check_advice(self, number: int, text: str) -> None:
        kind, _, argument = text.partition(" ")
        if kind not in ADVICE:
            self._problem(number, "advice", f"{_shown(text)}: {_meant(kind, ADVICE)}")
        elif kind not in ADVICE_WITH_PATH and not argument:
            self._problem(number, "advice", f"{kind} wants a name after it")
        elif kind in ADVICE_WITH_PATH and argument and not argument.startswith(("/", "~/")):
            self._problem(number, "advice", f'{_shown(argument)}: a path that begins with "/" or "~/"')

    def _problem(self, number: int, key: str, why: str) -> None:
        what = f"{_shown(key)[1:-1]}: " if key else ""
        self.problems.append(f"{self.name}: line {self._line(number, key)}: {what}{why}")

    def _line(self, number: int, key: str = "") -> int:
        """Return the line of a rule's header, or of a key in it."""
        if number >= len(self.headers):
            return 1  # the rules are not written as [[rule]]
        start = self.headers[number]
        end = self.headers[number + 1] if number + 1 < len(self.headers) else len(self.text)
        return self._line_of(key, start, end) if key else self._at(start)

    def _line_of(self, key: str, start: int = 0, end: int | None = None) -> int:
        pattern = re.compile(rf"^[ \t]*[\[\"']*{re.escape(key)}\b", re.MULTILINE)
        match = pattern.search(self.text, start, len(self.text) if end is None else end)
        return self._at(match.start() if match else start)

    def _at(self, position: int) -> int:
        # A match may begin with the empty lines above it.
        while self.text[position : position + 1].isspace():
            position += 1
        return self.text.count("\n", 0, position) + 1


def _text(table: dict[str, object], key: str) -> str:
    """Return the value of a key that has been checked, or "" if there is none."""
    value = table.get(key)
    return value if isinstance(value, str) else ""


def _texts(table: dict[str, object], key: str) -> tuple[str, ...]:
    """Return the strings of a list that has been checked, or none if there is none."""
    value = table.get(key)
    return tuple(value) if isinstance(value, list) else ()


def _wrong(key: str, value: object) -> str | None:
    """Return what is wrong with the value of a key by itself, or None."""
    kind = _KEYS.get(key)
    if kind is None:
        return f"there is no such key; {_meant(key, _KEYS)}"
    if type(value) is not kind:
        return f"not {_WORDS[kind]}"
    texts = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    for text in texts:
        if not isinstance(text, str):
            return f"not {_WORDS[list]}"
        if not text or not text.isprintable():
            return "an empty string, or one with control characters"
    if key == "class" and value not in tuple(LossClass):
        return f"{_shown(value)}: {_meant(str(value), LossClass)}"
    if key == "verdict" and value not in VERDICTS:
        return f"{_shown(value)}: {_meant(str(value), VERDICTS)}"
    if isinstance(value, int) and not 0 <= value <= 100:
        return "a score is from 0 to 100"
    return None


def _meant(word: str, words: Iterable[str]) -> str:
    words = list(words)
    close = difflib.get_close_matches(word[:80], words, n=1, cutoff=0.5)
    return f'did you mean "{close[0]}"?' if close else f"it can be: {', '.join(words)}"


def _shown(value: object) -> str:
    text = to_text(str(value).encode("utf-8", "surrogatepass"))
    return f'"{text}"' if len(text) <= 80 else f'"{text[:77]}..."'
