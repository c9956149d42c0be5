"""The facts that are known of a path, and a rule as a file has it."""

from __future__ import annotations

from collections.abc import Mapping

from ...lazy import NamedTuple
from ...losses import LossClass
from ...model import Advice, AdviceKind

CRUD, REGENERATED, IGNORED = "crud", "regenerated", "ignored"
VERDICTS = (CRUD, REGENERATED, IGNORED)
# What a rule may advise.
ADVICE: Mapping[str, AdviceKind] = {
    kind.value: kind
    for kind in (
        AdviceKind.PERSIST_DIRECTORY,
        AdviceKind.PERSIST_FILE,
        AdviceKind.IGNORE,
        AdviceKind.HOME_MANAGER,
        AdviceKind.PLASMA_MANAGER,
        AdviceKind.STYLIX,
        AdviceKind.DOTFILE,
        AdviceKind.STATE_DIRECTORY,
        AdviceKind.INTO_BLANK,
    )
}
PERSIST = (AdviceKind.PERSIST_DIRECTORY, AdviceKind.PERSIST_FILE)
# The kinds whose argument is a path; for the others it is an option or a name.
ADVICE_WITH_PATH = (*PERSIST, AdviceKind.IGNORE, AdviceKind.DOTFILE, AdviceKind.INTO_BLANK)
# The kinds whose argument is a program's own option or name, and no other program's.
BY_NAME = (AdviceKind.HOME_MANAGER, AdviceKind.STYLIX, AdviceKind.STATE_DIRECTORY)
# The options that are one program's by their form; others hold for all of a kind, such as `i18n.inputMethod`.
BY_PROGRAM = ("programs", "services.", "stylix.targets.", "wayland.windowManager.")
# With one of these, nothing else has to be said of how it persists.
KEEPS = (*PERSIST, AdviceKind.INTO_BLANK)
BY_ITSELF = "*"  # the application is called as the directory or file that the rule names


class Fact(NamedTuple):
    """The facts that the rules give for one path."""

    application: str
    loss: LossClass
    score: int  # 0 to 100, before the circumstances of the loss change it
    verdict_hint: str  # crud, regenerated or ignored
    root: bytes  # the file or directory that the rule names, by which to group and what to persist
    advice: tuple[Advice, ...]  # the best first; empty if there is no loss
    source: str  # for a person: "servarr.toml: Sonarr's database"
    documented: str  # an address or a man page
    default: bool = False  # whether only the place is known, and not the application
    called: bool = False  # whether the application is called after the component, and not by a rule
    secret: bool = False  # whether the name alone shows a secret
    placed: bool = False  # whether only the place is known, and the name says nothing either
    because: str = ""  # for a person: the source, and where it is documented


class Rule(NamedTuple):
    """One `[[rule]]` of a file."""

    file: str  # the name of the file without its directory
    line: int  # 0 if the rule was read from the compiled form
    application: str
    what: str
    paths: tuple[str, ...]
    loss: LossClass
    score: int
    verdict: str
    part: bool  # whether it is grouped and persisted with what the rule around it names
    default: bool
    advice: tuple[tuple[str, str], ...]  # kind and argument, which may be empty or begin with ~/
    documented: str
    names: tuple[str, ...] = ()  # in place of paths: they match at any depth below what programs keep
    whole: bool = False  # whether names below it say nothing
    everywhere: bool = False  # of names: whether they count in the place of a cache too
    examples: tuple[str, ...] = ()
    essential: str = ""  # the preset that it belongs to
    keeps: tuple[str, ...] = ()  # what a preset declares of it, in place of its paths
    initrd: bool = False  # whether a preset declares it for the initrd
