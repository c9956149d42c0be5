"""A system whose losses are to be declared, and its suggestions."""

from __future__ import annotations

import json
import os
from typing import Any

from impermanenced.losses import LossClass
from impermanenced.model import Advice, AdviceKind, Change, FileType, Verdict
from impermanenced.report.suggest import Item, Suggestion, System, choose
from tests.conftest import sh

ALICE = 1000

PERSIST = b"/persist"

CREATED, MODIFIED = Change.CREATED, Change.MODIFIED

PASSWD = """\
root:x:0:0::/root:/bin/sh
alice:x:1000:1000::/home/alice:/bin/sh
bob:x:1001:1001::/srv/bob:/bin/sh
daemon:x:2:2::/opt/d:/bin/sh
"""


def item(path: str, *advice: tuple[str, str], change: Change = CREATED, **fields: Any) -> Item:
    directory = path.endswith("/") and path != "/"
    raw = path.rstrip("/").encode() or b"/"
    defaults = {
        "type": FileType.DIRECTORY if directory or raw == b"/" else FileType.FILE,
        "verdict": Verdict.CRUD,
        "uid": 0,
        "gid": 0,
        "mode": 0o755 if directory else 0o644,
        "size": 0 if directory else 10,
        "loss": LossClass.UNKNOWN,
    }
    advised = tuple(Advice(AdviceKind(kind), argument) for kind, argument in advice)
    return Item(raw, change=change, advice=advised, **{**defaults, **fields})


def directories(system: System, *items: Item, **options: Any) -> list[str]:
    return [
        one.path.decode() + "/" * one.directory for one in choose(items, system, PERSIST, **options).wanted
    ]


def remedies(found: Suggestion) -> dict[str, list[str]]:
    return {one.kind: [path.decode() for path in one.paths] for one in found.remedies}


def evaluated(text: str) -> Any:
    """By the real Nix."""
    sh("nix-instantiate", "--parse", "-", input=text)
    words = ("--eval", "--strict", "--json", "--store", "dummy://", "--expr", text)
    return json.loads(sh("nix-instantiate", *words, env={**os.environ, "NIX_PATH": ""}))
