"""From a path to what is known of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..model import FileType
from ..wire import to_text
from . import paths
from .facts import (
    ADVICE_WITH_PATH,
    BY_ITSELF,
    CRUD,
    IGNORED,
    PERSIST_DIRECTORY,
    PERSIST_FILE,
    Advice,
    Fact,
    Rule,
)
from .paths import Node

MAX_STATES = 1 << 13
HOMES = b"/home"  # file-hierarchy(7); /root is the other
ON_THE_WAY = "a directory on the way to what the rules name"
_ON_THE_WAY = f"{ON_THE_WAY} (impermanence-knowledge(5))"
_DIRECTORIES = (FileType.DIRECTORY, FileType.SUBVOLUME)


class _State:
    """What is known of one directory, and so of everything below it that no rule names."""

    __slots__ = ("fact", "home", "nodes", "root", "rule", "way")

    def __init__(
        self, nodes: tuple[Node, ...], rule: int | None, root: bytes, home: bytes, *, way: bool
    ) -> None:
        self.nodes = nodes
        self.rule = rule
        self.root = root  # of the rule
        self.home = home  # that the directory is, or is below; b"" for none
        self.way = way  # holds nothing by itself
        self.fact: Fact | None = None  # made when it is asked for


class Knowledge:
    """The rules of all files, asked path by path.

    The rule that reaches deepest into the path decides.  Of two that reach the same component it is
    the one that is no default, then the one that names the path more exactly: by its last component,
    with fewer `**`, by the components before.  Of two patterns alike it is the one read later.
    """

    def __init__(
        self, rules: Sequence[Rule], problems: Sequence[str] = (), homes: Iterable[bytes] = ()
    ) -> None:
        self.rules = tuple(rules)
        self.problems = tuple(problems)  # one line each: file, line, why
        self._system, self._home = Node(), Node()
        for number, rule in enumerate(self.rules):
            for text in rule.paths:
                tree = self._home if text.startswith(paths.HOME) else self._system
                tree.insert(text.removeprefix(paths.HOME), number, default=rule.default)
        self._homes: set[bytes] = set()
        self._above_homes: set[bytes] = set()
        self._states: dict[bytes, _State] = {}
        self._said: dict[int, tuple[str, str]] = {}
        for home in (HOMES + b"/*", *homes):
            self._add(home)

    def of(self, path: bytes, type: FileType, home: bytes | None = None) -> Fact | None:
        """The fact for an absolute path, or None when no rule says anything.

        `home` is a person's home directory as the user database has it, where it is none of /root
        and /home/NAME.
        """
        if home is not None and home not in self._homes:
            self._add(home)
        state, number = self._decide(path, type)
        if number is not None:
            root = self._root(number, state.root, path)
            return self._fact(number, root, state.home, directory=root is not path)
        if state.way and type in _DIRECTORIES:
            where = "impermanence-knowledge(5)"
            return Fact("", "unknown", 0, IGNORED, path, (), ON_THE_WAY, where, because=_ON_THE_WAY)
        if state.fact is None and state.rule is not None:
            state.fact = self._fact(state.rule, state.root, state.home, directory=True)
        return state.fact

    def rule_of(self, path: bytes, type: FileType) -> Rule | None:
        """The rule that decides."""
        state, number = self._decide(path, type)
        number = state.rule if number is None else number
        return None if number is None else self.rules[number]

    def _decide(self, path: bytes, type: FileType) -> tuple[_State, int | None]:
        """What is known of the directory, and the rule that names the path itself, if any."""
        if type in _DIRECTORIES:
            return self._state(path if path != b"/" else b""), None
        cut = path.rfind(b"/")
        state = self._state(path[:cut])
        if not state.nodes:
            return state, None
        entered = paths.ends(state.nodes, path[cut + 1 :])
        return state, self._best(entered, file=True, directory=type is FileType.SYMLINK)

    def _state(self, directory: bytes) -> _State:
        unknown = []
        path = directory
        while path and path not in self._states:
            unknown.append(path)
            path = path[: path.rfind(b"/")]
        state = self._states.get(path)
        if state is None:
            state = self._states[b""] = self._enter(paths.start(self._system), None, b"", b"")
        if len(self._states) > MAX_STATES:
            self._states.clear()
        for path in reversed(unknown):
            state = self._states[path] = self._below(state, path)
        return state

    def _below(self, above: _State, path: bytes) -> _State:
        if self._is_home(path):
            return self._enter(paths.start(self._home), None, path, path)
        if not above.nodes and not above.way:
            return above
        entered = paths.step(above.nodes, path[path.rfind(b"/") + 1 :])
        return self._enter(entered, above, path, above.home)

    def _enter(self, nodes: tuple[Node, ...], above: _State | None, path: bytes, home: bytes) -> _State:
        number = self._best(nodes, directory=True, file=False)
        rule, root = (above.rule, above.root) if above is not None else (None, path)
        if number is not None:
            rule, root = number, self._root(number, root, path)
        known = rule is not None and not self.rules[rule].default
        leads = path in self._above_homes or any(node.plain and node.leads for node in nodes)
        return _State(nodes, rule, root, home, way=leads and not known)

    def _best(self, nodes: Sequence[Node], *, file: bool, directory: bool) -> int | None:
        found = []
        for node in nodes:
            number = node.file if file else None
            if number is None and directory:
                number = node.directory
            if number is not None:
                found.append((not self.rules[number].default, node.rank, number))
        return max(found)[2] if found else None

    def _is_home(self, path: bytes) -> bool:
        return path == b"/root" or path[: path.rfind(b"/")] == HOMES or path in self._homes

    def _add(self, home: bytes) -> None:
        self._homes.add(home)
        self._states.clear()
        while home := home[: home.rfind(b"/")]:
            self._above_homes.add(home)

    def _root(self, number: int, above: bytes, path: bytes) -> bytes:
        return above if self.rules[number].part and above else path

    def _fact(self, number: int, root: bytes, home: bytes, *, directory: bool) -> Fact:
        rule = self.rules[number]
        source, because = self._words(number)
        application = rule.application
        if application == BY_ITSELF:
            application = to_text(root[root.rfind(b"/") + 1 :])
        return Fact(
            application,
            rule.loss,
            rule.score,
            rule.verdict,
            root,
            _advice(rule, root, home, directory=directory),
            source,
            rule.documented,
            rule.default,
            because,
        )

    def _words(self, number: int) -> tuple[str, str]:
        """Of a rule, made once: its source, and that with where it is documented."""
        found = self._said.get(number)
        if found is None:
            rule = self.rules[number]
            source = f"{rule.file}: {rule.what}"
            because = f"{source} ({rule.documented})" if rule.documented else source
            found = self._said[number] = source, because
        return found


def _advice(rule: Rule, root: bytes, home: bytes, *, directory: bool) -> tuple[Advice, ...]:
    advice = []
    for kind, argument in rule.advice:
        text = argument
        if kind in ADVICE_WITH_PATH:
            text = to_text(_resolved(argument, home) if argument else root)
        advice.append(Advice(kind, text))
    if rule.verdict == CRUD and not any(given.kind in (PERSIST_DIRECTORY, PERSIST_FILE) for given in advice):
        advice.append(Advice(PERSIST_DIRECTORY if directory else PERSIST_FILE, to_text(root)))
    return tuple(advice)


def _resolved(path: str, home: bytes) -> bytes:
    raw = path.encode()
    return home + raw[1:] if raw.startswith(b"~/") else raw
