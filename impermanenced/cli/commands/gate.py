"""`gate`: whether a reboot may come now, in a word, and why."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...boots import requests
from ...config.load import Config, load
from ...report import gate, totals
from ...report.gate import Judgement
from ...text import JSON_VERSION, path_of, size_to_text
from ...volumes.machine import Machine
from .. import output, source, wording
from ..arguments import add_json
from ..output import Style
from ..source import Document
from ..verb import LOST, Shared, Verb


@dataclass(frozen=True, slots=True)
class Options:
    """It has none of its own."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)


def read_options(found: argparse.Namespace) -> Options:
    return Options()


def run(options: Options, shared: Shared) -> int:
    judgement = judge(source.fetch(shared.config), shared.config)
    if shared.json:
        output.write_json(to_json(judgement))
    else:
        output.write(text(judgement, output.style(shared)))
    return LOST if judgement.verdict == gate.BLOCK else 0


verb = Verb(add_arguments, read_options, run)


def judge(document: Document, config_file: bytes | None) -> Judgement:
    """Of the whole report, by the rules of the configuration."""
    config = load(config_file)
    total = 0
    if config.gate.warn_bytes.percent or config.gate.block_bytes.percent:
        status = os.statvfs(path_of(document["volumes"][0], "mountpoint"))
        total = status.f_blocks * status.f_frsize
    return gate.judge(totals.of_document(document), config.gate, total, _spared(config))


def _spared(config: Config) -> str | None:
    """As far as the caller may know: who is not root does not learn of a request for the next boot."""
    if os.geteuid() == 0:
        with Machine(config.volumes) as machine:
            return requests.spared(machine, config.rollback.wipe)
    return None if config.rollback.wipe else requests.TRIAL


def to_json(judgement: Judgement) -> Mapping[str, Any]:
    return {
        "version": JSON_VERSION,
        "gate": judgement.verdict,
        "complete": judgement.tally.complete,
        "count": judgement.tally.count,
        "bytes": judgement.tally.size,
        "classes": {
            loss: {"count": count, "bytes": size} for loss, (count, size) in judgement.tally.classes.items()
        },
        "reasons": [{"gate": verdict, "why": why} for verdict, why in judgement.reasons],
        "spared": judgement.spared,
    }


def text(judgement: Judgement, style: Style) -> str:
    found = judgement.tally
    sums = f"{wording.plural(found.count, 'path')}, {size_to_text(found.size)}"
    if judgement.spared is not None:
        answer = judgement.spared + (f", the next boot does not take away {sums}" if found.count else "")
    elif found.count:
        answer = f"the next boot takes away {sums}"
    else:
        answer = "the next boot takes nothing away" + ("" if found.complete else " that was looked at")
    lines = [style.bold(f"{judgement.verdict}: {answer}.")]
    if judgement.reasons:
        lines += ["", *(f"  {verdict:<5}  {why}" for verdict, why in judgement.reasons), ""]
        lines.append("What it is:  impermanence status      Not at the next boot:  impermanence next keep")
    return "\n".join(lines) + "\n"
