"""Who was seen writing to a path, and may write there again although nothing of it is open now."""

from __future__ import annotations

from ..model import Report
from ..paths import within


def writing_units(report: Report, path: bytes) -> dict[str, bytes]:
    """Return the system's services that were seen writing at or below a path, each with what it wrote."""
    return {
        entry.writer.unit: entry.difference.path
        for entry in report.entries
        if entry.writer is not None
        and entry.writer.unit.endswith(".service")
        and entry.writer.kind == "system"
        and within(entry.difference.path, path)
    }
