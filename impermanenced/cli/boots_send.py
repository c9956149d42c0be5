"""`impermanence boots send` and `boots fetch`: old roots go elsewhere, and come back."""

from __future__ import annotations

from ..boots import compared, fetch, send
from ..boots.moments import find
from ..system import place
from ..text import to_text
from ..volumes.configured import configured
from . import output
from .verb import Shared


def send_one(word: str, target: str, shared: Shared) -> None:
    """Send the old root of a boot to a place."""
    where = place.parse(target)
    with configured(shared.config) as (config, machine):
        moment = find(word, compared.history_of(config, machine), machine)
        sent = send.send(machine, moment, where, _tell)
    against = f", against the blank {to_text(sent.against)}" if sent.against is not None else ""
    output.write(f"sent {moment.name} to {sent.place}{against}\n")
    key = sent.place.rpartition("/")[2]
    output.write(f"  back:  impermanence boots fetch {key} {where.shown}\n")


def fetch_one(key: str, source: str, shared: Shared) -> None:
    """Bring an old root back."""
    where = place.parse(source)
    with configured(shared.config) as (config, machine):
        for path in fetch.fetch(machine, config.archive.directory, key, where, _tell):
            output.write(f"fetched {to_text(path)}\n")


def _tell(words: str) -> None:
    output.write_now(f"{words}\n")
