"""`apply`: compile the declarations for the next boots, and make the running system match."""

from __future__ import annotations

from ...document.apply import apply_to_json
from ...document.fields import printed
from ...keep import apply
from ...keep.apply import Applied
from ...volumes.configured import configured
from .. import output
from ..arguments import Trial, add_trial, trial
from ..verb import Shared, Verb


def run(options: Trial, shared: Shared) -> int:
    with configured(shared.config) as (config, machine):
        applied = apply.run(config, machine, dry_run=options.dry_run)
        if not options.dry_run:
            applied = apply.release(config, machine, applied)
    if shared.json:
        output.write(printed(apply_to_json(applied, dry_run=options.dry_run)))
    else:
        output.write(text(applied, dry_run=options.dry_run))
    return 1 if any(one.failed for one in applied.left) else 0


verb = Verb(add_trial, trial, run)


def text(applied: Applied, *, dry_run: bool) -> str:
    """Return what was done, and what was not, for a person."""
    lines = []
    if applied.steps:
        lines.append("would do, without --dry-run:" if dry_run else "done:")
        lines += [f"  {step.words}" for step in applied.steps]
    for failed, head in ((True, "failed:"), (False, "not done:")):
        left = [one for one in applied.left if one.failed == failed]
        if left:
            lines.append(head)
            lines += [f"  {one.words}" + (f"; {one.hint}" if one.hint else "") for one in left]
    if not lines:
        lines.append("what is declared is in place: nothing to do")
    if not applied.handed and applied.files:
        lines.append("until  impermanence setup  its units are in /usr/local/lib/systemd/system")
    return "\n".join(lines) + "\n"
