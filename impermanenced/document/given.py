"""The document about files that the persist volume has got."""

from __future__ import annotations

from collections.abc import Sequence

from ..keep.given import Found
from .fields import VERSION, Object, path_fields


def given_to_json(found: Sequence[Found]) -> Object:
    """Return the document of `declare --json`."""
    return {
        "version": VERSION,
        "files": [
            {
                **path_fields(one.given.path),
                **path_fields(one.given.source, "source"),
                "method": one.given.placement.method,
                "declared_by": one.given.placement.declaration.source,
                "condition": one.condition.value,
                "why": one.words,
            }
            for one in found
        ],
    }
