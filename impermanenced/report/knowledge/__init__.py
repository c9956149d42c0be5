"""The rule files, which say of a path what it is, what would be lost with it, and what to do about it.

The files are TOML, described in impermanence-knowledge(5); `data/` has those of the package.
"""

from .facts import Fact
from .files import DATA, EXTENSIONS, load
from .lookup import Knowledge
from .magic import TOKENS, Content, recognise, recognise_tokens, sniff

__all__ = [
    "DATA",
    "EXTENSIONS",
    "TOKENS",
    "Content",
    "Fact",
    "Knowledge",
    "load",
    "recognise",
    "recognise_tokens",
    "sniff",
]
