"""`sync`: files that programs replace are copied back into the persist volume."""

from __future__ import annotations

from ...document.fields import printed
from ...document.synced import synced_to_json
from ...errors import ImpermanenceError, NotSetUp
from ...keep import sync
from ...text import to_text
from ...volumes.configured import configured
from ...volumes.machine import system_root
from .. import output, wording
from ..arguments import Trial, add_trial, trial
from ..verb import Shared, Verb


def run(options: Trial, shared: Shared) -> int:
    with configured(shared.config, writable=False) as (config, machine):
        root = system_root(machine.volumes)
        if root is None:
            raise NotSetUp('the "/" of this system is not mounted', "mount all of it below one directory")
        found = sync.run(config.placements, root, dry_run=options.dry_run)
    failed = [one for one in found if not one.done]
    if shared.json:
        output.write(printed(synced_to_json(found, dry_run=options.dry_run)))
    else:
        would = "would copy" if options.dry_run else "copied"
        for one in found:
            if one.done:
                output.write(f"{would} {to_text(one.path)} to {to_text(one.source)}\n")
    for one in failed:
        output.complain(f"{to_text(one.path)}: {one.why}")
    if failed:
        raise ImpermanenceError(f"{wording.plural(len(failed), 'file')} could not be copied back")
    return 0


verb = Verb(add_trial, trial, run)
