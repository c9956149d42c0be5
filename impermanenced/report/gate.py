"""The gate: pass, warn or block, by what the next boot would lose."""

from __future__ import annotations

from dataclasses import dataclass

from ..config.load import GateSettings
from ..model import Forecast
from ..text import size_to_text
from .forecast import why
from .totals import Tally

PASS, WARN, BLOCK = "pass", "warn", "block"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer of the gate, with its reasons."""

    verdict: str
    tally: Tally
    reasons: tuple[tuple[str, str], ...]  # (verdict, why in words); those that block come first
    forecast: Forecast | None

    @property
    def spared(self) -> str | None:
        """Return why the next boot takes nothing away, in words, or None if it may take something."""
        return None if self.forecast is None else why(self.forecast)


def judge(tally: Tally, settings: GateSettings, total: int, forecast: Forecast | None) -> Judgement:
    """Return whether a reboot may come.  `total` is the size of the filesystem in bytes, for shares of it.

    Without a forecast the next boot may take everything away that does not persist.
    """
    if forecast is not None and forecast.spared is not None:
        return Judgement(PASS, tally, (), forecast)
    reasons = [(BLOCK, fault) for fault in tally.faults]
    for loss, (count, size) in tally.classes.items():
        verdict = BLOCK if loss in settings.block else WARN if loss in settings.warn else PASS
        if verdict != PASS:
            paths = "1 path" if count == 1 else f"{count:,} paths"
            reasons.append((verdict, f"{loss}: {paths}, {size_to_text(size)}"))
    for verdict, space in ((BLOCK, settings.block_bytes), (WARN, settings.warn_bytes)):
        most = space.of(total)
        if most and tally.size >= most:
            words = f"{size_to_text(tally.size)} altogether, {verdict}-bytes is {size_to_text(most)}"
            reasons.append((verdict, words))
    if not tally.complete:
        reasons.append((WARN, "a part was not looked at"))
    reasons.sort(key=lambda reason: reason[0] != BLOCK)
    return Judgement(reasons[0][0] if reasons else PASS, tally, tuple(reasons), forecast)
