"""The document of `prune --json`."""

from __future__ import annotations

from ..boots.old_roots import OldRoot
from ..boots.prune.prune import Plan, Pruned
from ..state import BootFile, boot_file
from ..text import time_to_text
from .fields import VERSION, Object, path_fields


def prune_to_json(plan: Plan, pruned: Pruned | None, *, free: int, dry_run: bool) -> Object:
    """Return the object of what would go or went, and what stays and why; `pruned` is None if nothing was
    done.
    """

    def root_to_json(root: OldRoot) -> Object:
        return {
            **path_fields(root.path),
            "boot": root.number,
            "volume": root.volume,
            "archived": time_to_text(root.archived),
            "bytes": None if root.id in plan.faults else plan.sizes.get(root.id),
        }

    return {
        "version": VERSION,
        "dry_run": dry_run,
        "refused": plan.refused,
        "free": free,
        "bytes": sum(plan.sizes.values()) if plan.sizes else None,
        "go": [root_to_json(root) for root in plan.go],
        "over": [root_to_json(root) for root in plan.over],
        "unused": [root_to_json(root) for root in plan.unused],
        "plans": [path_fields(boot_file(number, BootFile.PLAN)) for number in plan.plans],
        "spare": [root_to_json(root) for root in plan.spare],
        "stay": [{**root_to_json(root), "reason": why} for root, why in plan.stay],
        "unknown": [{**path_fields(path), "reason": why} for path, why in plan.found.unknown.items()],
        "broken": list(plan.found.broken),
        "deleted": [root_to_json(root) for root in pruned.gone] if pruned else [],
        "failed": [{**root_to_json(root), "reason": why} for root, why in pruned.failed] if pruned else [],
        "settled": pruned.settled if pruned else True,
        "stopped": pruned.stopped if pruned else False,
    }
