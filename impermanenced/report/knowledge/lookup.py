"""The look-up of a path in the rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...lazy import NamedTuple
from ...losses import LossClass
from ...model import Advice, AdviceKind, FileType
from ...paths import Inherited, within
from ...text import to_text
from .. import structure
from . import component, trie
from .compiled import Lines
from .facts import (
    ADVICE,
    ADVICE_WITH_PATH,
    BY_ITSELF,
    BY_NAME,
    BY_PROGRAM,
    CRUD,
    IGNORED,
    KEEPS,
    PERSIST,
    Fact,
    Rule,
)
from .trie import Node

HOMES = b"/home"  # file-hierarchy(7); /root is the other
ON_THE_WAY = "a directory on the way to what the rules name"
_DOCUMENTED = "impermanence-knowledge(5)"
_ON_THE_WAY = f"{ON_THE_WAY} ({_DOCUMENTED})"
_PROGRAMS = (b"/etc", b"/opt", b"/var")
_NOBODY, _SYSTEM, _HOME = range(3)
_DIRECTORIES = (FileType.DIRECTORY, FileType.SUBVOLUME)


class _Says(NamedTuple):
    """The rules that decide: one that names the path or a directory above, and one about a name
    below that.
    """

    rule: int | None
    name: int | None
    root: bytes  # the file or directory that the rule names


class _State:
    """The facts of one directory, and so of everything below it that no rule names."""

    __slots__ = ("facts", "home", "nodes", "says", "side", "way")

    def __init__(self, nodes: tuple[Node, ...], says: _Says, home: bytes, side: int, *, way: bool) -> None:
        self.nodes = nodes
        self.says = says
        self.home = home  # the home that the directory is or lies in, or b""
        self.side = side  # which rules about names apply
        self.way = way  # whether it only leads to what rules name
        self.facts: dict[int | None, Fact] = {}  # a cache


def _side(path: bytes, home: bytes) -> int:
    """Return which rules about names apply below this directory.

    They apply where programs name their own files.
    """
    if home:
        return _HOME if path[path.rfind(b"/") + 1 :].startswith(b".") and path != home else _NOBODY
    return _SYSTEM if path in _PROGRAMS else _NOBODY


class _Walk:
    """The steps from a directory to those in it, and what decides there; it remembers no path."""

    def __init__(self, rules: Sequence[Rule], compiled: Lines | None) -> None:
        self.rules = rules
        self.homes: set[bytes] = set()
        self._above_homes: set[bytes] = set()
        packed = [None] * 4 if compiled is None else compiled.roots
        self.roots = tuple(Node(packed=one) for one in packed)
        self._system, self._home, *names = self.roots
        self._names = {_SYSTEM: names[0], _HOME: names[1]}
        for number in range(0 if compiled is None else compiled.count, len(rules)):
            rule = rules[number]
            for text in rule.paths:
                tree = self._home if text.startswith(trie.HOME) else self._system
                tree.insert(text.removeprefix(trie.HOME), number, default=rule.default)
            for text in rule.names:
                for side, mark in ((_SYSTEM, "/"), (_HOME, "~/")):
                    if text.startswith(mark) or not text.startswith(("/", "~/")):
                        self._names[side].insert(text.removeprefix(mark), number, default=False)

    def add(self, home: bytes) -> None:
        """Take a directory for a person's home."""
        self.homes.add(home)
        while home := home[: home.rfind(b"/")]:
            self._above_homes.add(home)

    def top(self) -> _State:
        """Return the state of "/"."""
        return self._enter(trie.start(self._system), None, b"", b"")

    def below(self, above: _State, path: bytes) -> _State:
        if self._is_home(path):
            return self._enter(trie.start(self._home), None, path, path)
        name = path[path.rfind(b"/") + 1 :]
        if not above.nodes and not above.way:
            says = self.named(above.says, name, above.side, file=False, directory=True)
            return above if says is above.says else _State((), says, above.home, above.side, way=False)
        return self._enter(trie.step(above.nodes, name), above, path, above.home)

    def _enter(self, nodes: tuple[Node, ...], above: _State | None, path: bytes, home: bytes) -> _State:
        number = self.best(nodes, directory=True, file=False)
        says = above.says if above is not None else _Says(None, None, path)
        if number is not None:
            says = _Says(number, None, self.root(number, says.root, path))
        side = _NOBODY if above is None else above.side or _side(path, home)
        known = says.rule is not None and not self.rules[says.rule].default
        # A directory that a rule gives to a service is not judged by its name.
        if number is None or (not known and side == _HOME):
            says = self.named(says, path[path.rfind(b"/") + 1 :], side, file=False, directory=True)
        leads = path in self._above_homes or any(node.plain and node.leads for node in nodes)
        return _State(nodes, says, home, side, way=leads and not known)

    def named(self, says: _Says, name: bytes, side: int, *, file: bool, directory: bool) -> _Says:
        """Return the deciding rules, refined by what the name itself says.

        A name can say that there is no loss, that the file is a log, or that the loss is worse than is
        known.  Where little is known it can say any class, and so can a rule for the very name of a file; but
        a secret stays one.
        """
        if side == _NOBODY or says.rule is None or self.rules[says.rule].whole:
            return says
        found = [
            (number, node.exact)
            for node in trie.ends((self._names[side],), name)
            for number in (node.file if file else None, node.directory if directory else None)
            if number is not None
        ]
        if not found:
            return says
        number, exact = max(found)
        rule, known = self.rules[number], self.rules[says.rule if says.name is None else says.name]
        if known.verdict != CRUD:
            comes_through = rule.everywhere and known.default and file
            return says._replace(name=number) if comes_through else says
        exactly = file and (exact or rule.loss is LossClass.CONFIG)
        tells = rule.verdict != CRUD or (
            rule.loss is not known.loss and self._outweighs(rule, known, says, exact=exactly)
        )
        return says._replace(name=number) if tells else says

    def of_name(self, name: bytes) -> int | None:
        """Return the rule that the name of a file in a home fits."""
        found = [node.file for node in trie.ends((self._names[_HOME],), name) if node.file is not None]
        return max(found, default=None)

    def comes_through(self, says: _Says) -> bool:
        """Return whether a name says that there is a loss where the place says that there is none."""
        if says.rule is None or says.name is None or self.rules[says.rule].verdict == CRUD:
            return False
        return self.rules[says.name].verdict == CRUD

    def _outweighs(self, rule: Rule, known: Rule, says: _Says, *, exact: bool) -> bool:
        """Return whether what a name says counts more than what is known of the directory."""
        assert says.rule is not None
        if known.loss is LossClass.SECRET:
            return False
        if known.loss.traits.place or rule.loss in (LossClass.SECRET, LossClass.LOG) or exact:
            return True
        specific = not self.rules[says.rule].default
        return not specific and rule.loss.traits.weight > known.loss.traits.weight

    def best(self, nodes: Sequence[Node], *, file: bool, directory: bool) -> int | None:
        found = []
        for node in nodes:
            number = node.file if file else None
            if number is None and directory:
                number = node.directory
            if number is not None:
                found.append((not self.rules[number].default, node.rank, number))
        return max(found)[2] if found else None

    def root(self, number: int, above: bytes, path: bytes) -> bytes:
        return above if self.rules[number].part and above else path

    def _is_home(self, path: bytes) -> bool:
        return path == b"/root" or path[: path.rfind(b"/")] == HOMES or path in self.homes


class Knowledge:
    """The rules of all files, which are asked path by path.

    The rule that reaches deepest into the path decides.  If two reach the same component, the one that is no
    default decides, then the one that names the path more exactly: by its last component, with fewer `**`, by
    the components before.  If two patterns are alike, the one read later decides.

    A rule about names refines what the deciding one says of a directory; if two match, the later one does.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        problems: Sequence[str] = (),
        homes: Iterable[bytes] = (),
        compiled: Lines | None = None,
    ) -> None:
        """Take the rules in their order, of which `compiled` has the first ones."""
        self.rules = rules
        self.problems = tuple(problems)  # one line each: file, line, why
        self._walk = _Walk(rules, compiled)
        self._states = Inherited(self._walk.top(), self._walk.below)
        self._said: dict[int, tuple[str, str]] = {}
        self._shared: dict[int, bool] = {}  # whether several applications share a rule
        for home in (HOMES + b"/*", *homes):
            self._add(home)

    def of(self, path: bytes, type: FileType, home: bytes | None = None) -> Fact | None:
        """Return the fact for an absolute path, or None if no rule says anything.

        `home` is a person's home directory as the user database has it, if it is outside of /root and /home.
        """
        if home is not None and home not in self._walk.homes:
            self._add(home)
        state, says = self._decide(path, type)
        if says.rule == state.says.rule and says.root is state.says.root:
            if state.way and type in _DIRECTORIES:
                return Fact(
                    "", LossClass.UNKNOWN, 0, IGNORED, path, (), ON_THE_WAY, _DOCUMENTED, because=_ON_THE_WAY
                )
            fact = state.facts.get(says.name)
            if fact is None and says.rule is not None:
                fact = state.facts[says.name] = self._fact(says, state.home, directory=True)
            return fact
        return self._fact(says, state.home, directory=says.root is not path)

    @property
    def roots(self) -> tuple[Node, ...]:
        """Return the four tries that the patterns of the rules are in."""
        return self._walk.roots

    def named(self, name: bytes) -> LossClass | None:
        """Return the class that the name of a file shows, whatever program it belongs to, or None."""
        number = self._walk.of_name(name)
        return None if number is None else self.rules[number].loss

    def rules_of(self, path: bytes, type: FileType) -> tuple[Rule | None, Rule | None]:
        """Return the rule that decides, and the one about a name that refines what it says; each
        may be None.
        """
        _, says = self._decide(path, type)
        rule = None if says.rule is None else self.rules[says.rule]
        return rule, None if says.name is None else self.rules[says.name]

    def _decide(self, path: bytes, type: FileType) -> tuple[_State, _Says]:
        """Return the state of the directory (for a file: of the one it is in), and the rules that decide."""
        if type in _DIRECTORIES:
            state = self._states[path if path != b"/" else b""]
            return state, state.says
        cut = path.rfind(b"/")
        state = self._states[path[:cut]]
        name = path[cut + 1 :]
        link = type is FileType.SYMLINK
        says = state.says
        if state.nodes:
            number = self._walk.best(trie.ends(state.nodes, name), file=True, directory=link)
            if number is not None:
                says = _Says(number, None, self._walk.root(number, says.root, path))
                if not self.rules[number].default:
                    return state, says
        side = _HOME if state.home and name.startswith(b".") else state.side
        named = self._walk.named(says, name, side, file=True, directory=link)
        if self._walk.comes_through(named):  # what is around it is no loss
            named = named._replace(root=path)
        return state, named

    def _add(self, home: bytes) -> None:
        self._walk.add(home)
        self._states.forget()

    def _fact(self, says: _Says, home: bytes, *, directory: bool) -> Fact:
        assert says.rule is not None
        rule = self.rules[says.rule]
        tells = rule if says.name is None else self.rules[says.name]
        source, because = self._words(says.rule if says.name is None else says.name)
        application, called = self._application(says.rule, says.root, home, directory=directory)
        return Fact(
            application,
            tells.loss,
            tells.score if tells.loss != rule.loss else rule.score,
            tells.verdict,
            says.root,
            self._advice(says.rule, says.root, home, directory=directory) if tells.verdict == CRUD else (),
            source,
            tells.documented,
            rule.default,
            called,
            tells is not rule and tells.loss is LossClass.SECRET,
            rule.default and tells is rule,
            because,
        )

    def _application(self, number: int, root: bytes, home: bytes, *, directory: bool) -> tuple[str, bool]:
        """Return the application of what a rule names, and whether it is called after its component.

        It has the rule's word if the rule is about one application.  If several share it, what lies in a
        directory of its own is called after that.
        """
        rule = self.rules[number]
        name, more = component.of_path(root, home)
        itself = component.shown(name)
        if rule.application == BY_ITSELF:
            return itself or component.shown(root[root.rfind(b"/") + 1 :]), bool(itself)
        if not itself or component.akin(itself, rule.application):
            return rule.application, False
        # A file beside those of other programs: KDE's have one name, those of "small tools" have none.
        of_its_own = more or directory or rule.application.islower()
        return (itself, True) if of_its_own and self._is_shared(number) else (rule.application, False)

    def _is_shared(self, number: int) -> bool:
        """Return whether several programs share a rule."""
        shared = self._shared.get(number)
        if shared is None:
            shared = self._shared[number] = component.several(self.rules[number].paths)
        return shared

    def _is_for(self, rule: Rule, number: int, option: str, name: str) -> bool:
        """Return whether an option or name that the rule gives is for the program of this name."""
        if rule.application == BY_ITSELF or not self._is_shared(number):
            return True
        if "." in option and not option.startswith(BY_PROGRAM):
            return True
        parts = option.split(".")
        if any(component.akin(name, part) for part in parts):
            return True
        first = component.of_pattern(rule.paths[0])
        return first == component.letters(name) and any(
            component.akin(part, rule.application) for part in parts
        )

    def _advice(self, number: int, root: bytes, home: bytes, *, directory: bool) -> tuple[Advice, ...]:
        rule = self.rules[number]
        name = component.shown(component.of_path(root, home)[0])
        kept = AdviceKind.PERSIST_DIRECTORY if directory else AdviceKind.PERSIST_FILE
        advice = []
        for word, argument in rule.advice:
            kind, text = ADVICE[word], argument
            if word in ADVICE_WITH_PATH:
                place = _place(argument, root, home, kind)
                text = to_text(place)
                if kind in PERSIST and place == root:
                    kind = kept
            elif kind in BY_NAME and name and not self._is_for(rule, number, argument, name):
                continue  # an option for another program of the rule
            advice.append(Advice(kind, text))
        if structure.is_structure(root, home or None):  # then each path in it is kept by itself
            return tuple(given for given in advice if given.kind not in PERSIST)
        if not any(given.kind in KEEPS for given in advice):
            advice.append(Advice(kept, to_text(root)))
        return tuple(advice)

    def _words(self, number: int) -> tuple[str, str]:
        """Return the source of a rule, and the source with where it is documented."""
        found = self._said.get(number)
        if found is None:
            rule = self.rules[number]
            source = f"{rule.file}: {rule.what}"
            because = f"{source} ({rule.documented})" if rule.documented else source
            found = self._said[number] = source, because
        return found


def _place(argument: str, root: bytes, home: bytes, kind: AdviceKind) -> bytes:
    """Return the path that an advice is about.  Its argument is one path of a rule that has several: for
    what does not lie in it, and where everything lies in it, that is what the rule names.
    """
    if not argument:
        return root
    raw = argument.encode()
    path = home + raw[1:] if raw.startswith(b"~/") else raw
    if kind in PERSIST and (not within(root, path) or structure.is_structure(path, home or None)):
        return root
    return path
