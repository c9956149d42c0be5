"""What `impermanence diff` shows without -b: every difference of the running root from its blank, with the
report, which the daemon may have.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..document.fields import printed
from ..document.status import diff_to_json
from ..model import Report
from ..paths import within
from ..text import to_text
from . import next_boot, output, paths, source
from .verb import Shared


def show(path: bytes | None, shared: Shared) -> None:
    """Print a line for each difference, or one JSON document; if a path is given, only of what is there and
    below it.
    """
    next_boot.complain_of_another_root(shared.config)
    report = source.fetch(shared.config)
    if path is not None:
        report = below(report, paths.meant(report, path, paths.directory(path)))
    if shared.json:
        output.write(printed(diff_to_json(report)))
    else:
        output.write_long("".join(lines(report)), shared)


def below(report: Report, path: bytes) -> Report:
    """Return the report with only the entries at the path and below it."""
    entries = tuple(entry for entry in report.entries if within(entry.difference.path, path))
    return report._replace(entries=entries)


def lines(report: Report) -> Iterator[str]:
    """Yield a line for each difference."""
    for entry in report.entries:
        yield f"{entry.difference.letters} {to_text(entry.difference.path)}\n"
