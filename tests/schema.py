"""The JSON Schema that ships, as the tests use it: what it does not describe is a mistake here."""

from __future__ import annotations

import copy
import functools
import json
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA = Path(__file__).parent.parent / "docs/report.schema.json"


def schema() -> Any:
    return json.loads(SCHEMA.read_text(encoding="utf-8"))


def closed(node: Any) -> Any:
    """The same schema, but that no object has keys beside those that are described.

    Others get an open one, since keys may be added.
    """
    if isinstance(node, list):
        return [closed(one) for one in node]
    if not isinstance(node, dict):
        return node
    found = {key: closed(value) for key, value in node.items()}
    if "properties" in node and "additionalProperties" not in node:
        found["unevaluatedProperties"] = False
    return found


@functools.cache
def _definitions() -> Any:
    opened = schema()["$defs"]
    strict = {name: closed(one) for name, one in opened.items()}
    # What is a part of another definition is referred to as it stands, open.
    parts = {f"{name}_part": copy.deepcopy(one) for name, one in opened.items()}
    for one in (*strict.values(), *parts.values()):
        for part in one.get("allOf", ()):
            part["$ref"] += "_part"
    return {**strict, **parts}


@functools.cache
def _validator(name: str) -> Any:
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$ref": f"#/$defs/{name}",
        "$defs": _definitions(),
    }
    return jsonschema.Draft202012Validator(
        document, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


def check(name: str, document: object) -> None:
    """Fail where the document is not what the schema's definition of this name says."""
    errors = sorted(_validator(name).iter_errors(document), key=lambda error: list(error.absolute_path))
    assert not errors, "\n".join(f"{error.json_path}: {error.message[:300]}" for error in errors[:10])


def checked(name: str, text: str) -> Any:
    """The document that was printed, which is as the schema says."""
    document = json.loads(text)
    check(name, document)
    return document
