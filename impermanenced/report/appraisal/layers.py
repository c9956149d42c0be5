"""The layers of containers: what a container itself wrote is in no image, and is gone with the layer.

Docker and Podman keep such a layer among those of images, under a name of the same kind.  Their own books say
which ones belong to containers.  What lies in a layer is judged as in a system of its own.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Iterator, Sequence

from ...kernel import openat2
from ...lazy import regex
from ...losses import LossClass
from ...model import Advice, AdviceKind, Change, Verdict
from ...text import to_text
from .finding import Finding
from .volume_facts import VolumeFacts

_LAYER = regex(rb"(/(?:[^/]+/)*(?:docker|containers/storage))/overlay2?/([0-9a-f]{64})/diff(?=/)")
_OF_CONTAINER = regex(rb'"layer"\s*:\s*"([0-9a-f]{64})"')
_ID = regex(rb"[0-9a-f]{64}")
_MOUNTS = (
    b"/image/overlay2/layerdb/mounts"  # Docker's: a directory for each container, with a file `mount-id`
)
_CONTAINERS = b"/overlay-containers/containers.json"  # Podman's
MOST = 2000  # containers of one store
LARGEST = 4 << 20  # bytes that are read of Podman's book
WORDS = "it is in a container's own layer, which no image has"


def look_into_layers(facts: VolumeFacts, findings: Sequence[Finding]) -> None:
    """Judge what containers wrote into their own layers, which rules take for a part of images."""
    own = functools.cache(functools.partial(_own_layers, facts))
    for finding in findings:
        difference = finding.judged.difference
        if finding.verdict is not Verdict.IGNORED or difference.change is Change.DELETED:
            continue
        layer = _LAYER.match(difference.path) if b"/diff/" in difference.path else None
        if layer is not None and layer[2] in own(layer[1]):
            _judge(facts, finding, layer[1], difference.path[layer.end() :])


def _judge(facts: VolumeFacts, finding: Finding, store: bytes, inside: bytes) -> None:
    fact = facts.knowledge.of(inside, finding.judged.difference.type)
    if fact is not None and fact.verdict_hint != "crud":
        return
    finding.verdict, finding.rule = finding.judged.verdict, finding.judged.rule
    finding.loss, finding.known = (LossClass.SERVICE_STATE, None) if fact is None else (fact.loss, fact.score)
    finding.placed = fact is None or fact.placed
    finding.because = (WORDS,)
    finding.group = store
    finding.advice = (Advice(AdviceKind.PERSIST_DIRECTORY, to_text(store)),)


def _own_layers(facts: VolumeFacts, store: bytes) -> frozenset[bytes]:
    """Return the names of the layers that belong to containers."""
    return frozenset((*_of_docker(facts, store), *_of_podman(facts, store)))


def _of_docker(facts: VolumeFacts, store: bytes) -> Iterator[bytes]:
    place = store + _MOUNTS
    try:
        fd = openat2.open_directory(facts.root, facts.relative(place), os.O_RDONLY)
    except OSError:
        return
    try:
        with os.scandir(fd) as entries:
            names = [os.fsencode(entry.name) for entry in itertools.islice(entries, MOST)]
    finally:
        os.close(fd)
    for name in names:
        try:
            layer = facts.read(place + b"/" + name + b"/mount-id", 64)
        except OSError:
            continue
        if _ID.fullmatch(layer):
            yield layer


def _of_podman(facts: VolumeFacts, store: bytes) -> Iterator[bytes]:
    try:
        content = facts.read(store + _CONTAINERS, LARGEST)
    except OSError:
        return
    for found in itertools.islice(_OF_CONTAINER.finditer(content), MOST):
        yield found[1]
