"""The component of a path that is called after the program that it belongs to.

Standards say in which directories each program has its own: file-hierarchy(7), the XDG base directories,
Flatpak, snap.  The name of the first one below such a directory is as good as any rule's word for the
program, and better than that of a rule that several programs share.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...lazy import regex
from ...text import to_text

# The directories of the system in which each service or package has its own; a deeper one comes first.
_SYSTEM = (
    b"/etc/conf.d/", b"/etc/default/", b"/etc/opt/", b"/etc/sysconfig/", b"/etc/", b"/opt/", b"/srv/",
    b"/usr/local/lib/", b"/usr/local/share/", b"/usr/lib/", b"/usr/share/",
    b"/var/backup/", b"/var/cache/private/", b"/var/cache/", b"/var/db/", b"/var/games/",
    b"/var/lib/private/", b"/var/lib/", b"/var/log/private/", b"/var/log/",
    b"/var/opt/", b"/var/spool/", b"/var/",
)  # fmt: skip
# Those of a home.
_HOME = (
    b".cache/", b".config/", b".local/lib/", b".local/share/", b".local/state/", b".var/app/",
    b".var/nixpak-app/", b"snap/",
)  # fmt: skip
# What several programs share, and no program is called.
_SHARED = frozenset(
    b"""
    .local .var applications autostart backgrounds bin color-schemes desktop-directories environment.d
    fontconfig fonts icc icons menus mime pixmaps sounds systemd themes thumbnails wallpapers
    """.split()
)
_REVERSED = regex(r"(?:[a-z]{2,4}|[a-z]{2}\.[a-z]{2,4})\.[\w-]+\.(?:[\w-]+\.)*[\w-]+(?:\.App)?")
_OF_NOTHING = frozenset(("app", "cli", "client", "desktop", "application"))
_ENDING = regex(r"\.(?:cfg|conf|config|ini|json|kdl|rc|toml|xml|ya?ml)$|(?<=...)rc(?:\.(?:xml|json|toml))?$")
_LETTERS = regex(r"[^a-z0-9]+")


def of_path(path: bytes, home: bytes) -> tuple[bytes, bool]:
    """Return the component after which a path's program is called, and whether more of the path
    follows; it is b"" if none is.  `home` is the home that the path lies in, or b"".
    """
    if home and path.startswith(home + b"/"):
        rest = path[len(home) + 1 :]
        for above in _HOME:
            if rest.startswith(above):
                return _first(rest[len(above) :])
        return _first(rest) if rest.startswith(b".") else (b"", False)
    for above in _SYSTEM:
        if path.startswith(above):
            return _first(path[len(above) :])
    return b"", False


def _first(rest: bytes) -> tuple[bytes, bool]:
    name, more, _ = rest.partition(b"/")
    return (b"", False) if name in _SHARED else (name, bool(more))


def shown(component: bytes) -> str:
    """Return the name of a program that is called so: without the dot that hides it, the domain of
    whoever made it, and what only tells the format of its file.
    """
    text = to_text(component).lstrip(".")
    if _REVERSED.fullmatch(text):
        words = [word for word in text.split(".") if word.lower() not in _OF_NOTHING]
        return words[-1]
    return _ENDING.sub("", text) or text


def letters(name: str) -> str:
    """Return what two spellings of one name have in common."""
    return _LETTERS.sub("", name.lower())


def akin(component: str, name: str) -> bool:
    """Return whether a component is a spelling or an abbreviation of a name: `nvim` is one of Neovim, `Code`
    of Visual Studio Code.
    """
    short, long = letters(component), letters(name)
    if len(short) < 2 or not long:
        return short == long
    if short in long or long in short:
        return True
    following = iter(long)
    return len(short) > 2 and short[0] == long[0] and all(letter in following for letter in short)


def several(patterns: Iterable[str]) -> bool:
    """Return whether the patterns of a rule name the components of several programs."""
    found = {of_pattern(text) for text in patterns}
    return None in found or len(found - {""}) > 1


def of_pattern(text: str) -> str | None:
    """Return the letters of the component that a pattern names, "" if it names none, or None if a
    wildcard stands for it.
    """
    name, _ = of_path(text.rstrip("/").encode(), b"~" if text.startswith("~/") else b"")
    return None if b"*" in name or b"?" in name else letters(shown(name))
