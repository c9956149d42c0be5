"""Method calls by chance: names, signatures and values that somebody may send."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from gi.repository import GLib

from impermanenced.bus.introspection import INTERFACE, OBJECT_PATH
from impermanenced.system.dbus import PROPERTIES

METHODS = (
    "Status", "StatusAll", "Explain", "Boots", "Next", "Rescan", "Follow", "Get", "GetAll", "Set",
    "status", "X",
)  # fmt: skip
INTERFACES = (
    *(INTERFACE,) * 6, PROPERTIES, PROPERTIES, "org.freedesktop.DBus.Introspectable",
    "org.freedesktop.DBus.Peer", "a.b",
)  # fmt: skip
PATHS = (*(OBJECT_PATH,) * 8, "/", "/org", "/org/impermanence", f"{OBJECT_PATH}/x")
# What the methods take, so that a part of the calls gets further than the types.
RIGHT = {
    "Explain": "(ay)", "Next": "(si)", "Follow": "(u)", "Get": "(ss)", "GetAll": "(s)", "Set": "(ssv)",
}  # fmt: skip
TEXTS = (
    "", "keep", "boot", "wipe", "cancel", "/", "/etc", INTERFACE, "Version", "ConfigFile", "\n\x1b[31m",
    "é\u202e", "%s%n", "x" * 3000, "\U0010ffff",
)  # fmt: skip
NUMBERS = {"y": 8, "n": -16, "q": 16, "i": -32, "u": 32, "x": -64, "t": 64}
DEEPEST = 4  # containers in one another


class Message(NamedTuple):
    """A method call."""

    path: str
    interface: str
    method: str
    arguments: Any


def message(draw: random.Random) -> Message:
    method = draw.choice(METHODS)
    signature = RIGHT.get(method, "()")
    if draw.random() < 0.5:
        signature = f"({''.join(kind(draw) for _ in range(draw.randrange(4)))})"
    arguments = value(draw, signature)
    return Message(draw.choice(PATHS), draw.choice(INTERFACES), method, arguments)


def kind(draw: random.Random, depth: int = 0) -> str:
    """Return a single complete type."""
    if depth < DEEPEST and draw.random() < 0.4:
        inner = kind(draw, depth + 1)
        return draw.choice((f"a{inner}", f"({inner})", f"a{{s{inner}}}", f"({inner}{kind(draw, depth + 1)})"))
    return draw.choice("ybnqiuxtdsogvh")


def value(draw: random.Random, signature: str) -> Any:
    """Return a GLib.Variant of this type."""
    return GLib.Variant(signature, _plain(draw, signature))


def _plain(draw: random.Random, signature: str) -> Any:
    first = signature[0]
    if first == "(":
        return tuple(_plain(draw, one) for one in _members(signature[1:-1]))
    if signature.startswith("a{"):
        return {draw.choice(TEXTS): _plain(draw, signature[3:-1]) for _ in range(draw.randrange(4))}
    if signature == "ay":
        return draw.choice((b"", b"/", b"/etc/hosts", b"rel", b"/a/../b", b"\xff" * 9, draw.randbytes(50)))
    if first == "a":
        return [_plain(draw, signature[1:]) for _ in range(draw.choice((0, 1, 3, 50)))]
    if first in NUMBERS:
        return _number(draw, NUMBERS[first])
    plain = {
        "b": draw.random() < 0.5,
        "d": draw.choice((0.0, -1e308, float("inf"), float("nan"))),
        "s": draw.choice(TEXTS),
        "o": draw.choice(("/", OBJECT_PATH)),
        "g": draw.choice(("", "ay", "a{sv}")),
        "h": draw.randrange(3),
    }
    return value(draw, kind(draw, DEEPEST - 1)) if first == "v" else plain[first]


def _number(draw: random.Random, bits: int) -> int:
    least, most = (0, 2**bits - 1) if bits > 0 else (-(2 ** (-bits - 1)), 2 ** (-bits - 1) - 1)
    return draw.choice((least, most, 0, 1, draw.randint(least, most)))


def _members(signature: str) -> list[str]:
    """Return the complete types that a signature is made of."""
    found = []
    while signature:
        end = 1
        while not GLib.VariantType.string_is_valid(signature[:end]):
            end += 1
        found.append(signature[:end])
        signature = signature[end:]
    return found
