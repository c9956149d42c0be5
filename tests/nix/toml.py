"""TOML of what JSON brought: NixOS writes its configurations with a program that is not here."""

from __future__ import annotations

import json
from typing import Any


def written(table: dict[str, Any]) -> str:
    """Return a document with each key of the top on a line of its own."""
    return "".join(f"{json.dumps(key)} = {_value(value)}\n" for key, value in table.items())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_value(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value)
