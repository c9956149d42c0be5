"""`gate`: whether a reboot may come now, in one word, and why."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass

from ...config.load import load
from ...document.fields import printed
from ...document.gate import gate_to_json
from ...model import Report
from ...report import gate, totals
from ...report.gate import Judgement
from ...text import size_to_text
from .. import next_boot, output, source, wording
from ..arguments import add_json
from ..output import Style
from ..verb import LOST, Shared, Verb


@dataclass(frozen=True, slots=True)
class Options:
    """There are no options besides the shared ones."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)


def read_options(found: argparse.Namespace) -> Options:
    return Options()


def run(options: Options, shared: Shared) -> int:
    judgement = judge(source.fetch(shared.config), shared.config)
    if shared.json:
        output.write(printed(gate_to_json(judgement)))
    else:
        output.write(text(judgement, output.style(shared)))
    return LOST if judgement.verdict == gate.BLOCK else 0


verb = Verb(add_arguments, read_options, run)


def judge(report: Report, config_file: bytes | None) -> Judgement:
    """Return the gate's answer to the whole report, by the rules of the configuration."""
    config = load(config_file)
    total, used = 0, None
    try:
        status = os.statvfs(report.volumes[0].mountpoint)
        total, used = status.f_blocks * status.f_frsize, (status.f_blocks - status.f_bfree) * status.f_frsize
    except OSError:  # not everybody may look there
        if config.gate.warn_bytes.percent or config.gate.block_bytes.percent:
            raise
    forecast = next_boot.forecast_of(report, config_file)
    return gate.judge(totals.of_report(report, used), config.gate, total, forecast)


def text(judgement: Judgement, style: Style) -> str:
    """Return the answer for a person."""
    found = judgement.tally
    sums = f"{wording.plural(found.paths, 'path')}, {size_to_text(found.size)}"
    if judgement.spared is not None:
        answer = judgement.spared + (f", the next boot does not take away {sums}" if found.paths else "")
    elif found.paths:
        answer = f"the next boot takes away {sums}"
    else:
        answer = "the next boot takes nothing away" + ("" if found.complete else " that was looked at")
    lines = [style.bold(f"{judgement.verdict}: {answer}.")]
    if judgement.reasons:
        lines += ["", *(f"  {verdict:<5}  {why}" for verdict, why in judgement.reasons), ""]
        lines.append("What it is:  impermanence status      Not at the next boot:  impermanence next keep")
    return "\n".join(lines) + "\n"
