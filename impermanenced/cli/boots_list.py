"""The list of `impermanence boots`: the boots, what the hook did, and their old roots."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from ..boots import listing
from ..boots.history import BAD, RUNNING, Boot
from ..boots.listing import Listing, lasted
from ..boots.records import EndRecord
from ..document.boots import boots_to_json
from ..document.fields import printed
from ..model import Decision
from ..report.forecast import foretell
from ..text import size_to_text, to_text
from ..volumes.configured import configured
from . import next_boot, output, wording
from .verb import Shared

_WHEN = 17
_KERNEL = 14
_SHORT_KERNEL = 8
_WIDE = 90  # columns from which on the kernel has all of them
_UP = 8
_INDENT = " " * 8
_DID = {"other": "another root runs than the one that is rolled back"}


def show(shared: Shared, *, sizes: bool) -> None:
    """Print the boots; with `sizes` also what each old root holds."""
    with configured(shared.config) as (config, machine):
        found = listing.read(
            config,
            machine,
            # Asking the journal takes time for each boot, and a person looks only at the newest.
            newest=None if shared.json else listing.NEWEST,
            ours=shared.config is None,
            sizes=sizes,
        )
        decision = None if shared.json else foretell(config, machine).decision
    if decision is None:
        output.write(printed(boots_to_json(found)))
    else:
        said = text(found, decision=decision, columns=output.columns(), now=time.time())
        output.write_long(said, shared)


# In words


def text(found: Listing, *, decision: Decision, columns: int, now: float) -> str:
    """Return one line for each boot, with remarks below it; `decision` is that of the next boot."""
    boots = found.history.boots
    if not boots:
        return "no boot yet: the first one with the hook in the initrd makes the first record\n"
    most = _KERNEL if columns >= _WIDE else _SHORT_KERNEL
    kernel = max(6, min(most, max(len(_kernel(boot)) for boot in boots)))
    head = f"  {'boot':>4}  {'when':<{_WHEN}}{'up':<{_UP}}{'kernel':<{kernel}}  {'ended':<7}"
    head += f"  {'rollback':<10}  old root"
    lines = [head.rstrip()]
    for boot in boots:
        left = f"  {_number(boot):>4}  {wording.when(boot.time, now):<{_WHEN}}"
        if boot.number is not None or boot.record is not None:
            release = wording.cut(_kernel(boot), kernel)
            up = wording.span(_up(boot, now))
            left += f"{up:<{_UP}}{release:<{kernel}}  {_ended(boot):<7}  {_rollback(boot):<10}  "
        roots = list(_old_roots(boot, found.sizes)) or ["-"]
        room = max(columns - len(left), 12)
        lines.append(left + wording.cut(roots[0], room))
        lines += [" " * len(left) + wording.cut(root, room) for root in roots[1:]]
        for remark in _remarks(boot, found):
            lines += wording.wrap(remark, columns, _INDENT, _INDENT + "  ")
    lines += ["", *next_boot.again(decision, None)]
    lines += next_boot.waiting(found.history.hold, found.request, now)
    lines.append("Back into an old root:  impermanence next boot N")
    return "\n".join(lines) + "\n"


def _number(boot: Boot) -> str:
    return "-" if boot.number is None else str(boot.number)


def _kernel(boot: Boot) -> str:
    return boot.record.release if boot.record else "-"


def _up(boot: Boot, now: float) -> float | None:
    """Return for how many seconds a boot was up, or is."""
    if boot.ended == RUNNING and boot.time is not None:
        return max(now - boot.time, 0.0)
    return lasted(boot)


def _ended(boot: Boot) -> str:
    """Return how the boot ended; that it runs or did not complete comes before what the journal says."""
    return boot.ended if boot.ended in (RUNNING, BAD) else boot.shutdown or boot.ended


def _rollback(boot: Boot) -> str:
    if boot.fault:
        return "?"
    if boot.record is None:
        return "-"
    # A request for an old root that was refused names one as well.
    booted = boot.record.action == "booted" and boot.record.boot is not None
    return f"booted {boot.record.boot}" if booted else boot.record.action


def _old_roots(boot: Boot, sizes: Mapping[bytes, int]) -> Iterator[str]:
    if boot.went_on is not None:
        yield f"kept by boot {boot.went_on}"
    for root in boot.old_roots:
        if root.waits is not None:
            yield f"waits in {to_text(root.waits)}"
            continue
        size = f"{size_to_text(sizes[root.path]):>9}  " if root.path in sizes else ""
        yield size + to_text(root.path) if root.there else "gone"


def _remarks(boot: Boot, found: Listing) -> Iterator[str]:
    if boot.fault:
        yield f"the record cannot be understood: {boot.fault}"
    if boot.record and boot.record.reason:
        code = f" ({boot.record.reason_code})" if boot.record.reason_code else ""
        did = _DID.get(boot.record.action, boot.record.action)
        yield f"{did}: {to_text(boot.record.reason.encode())}{code}"
    yield from _from(boot, found.earlier)
    if boot.old_roots and boot.left and boot.left.crud:
        yield _lost(boot.left)
    if boot.pinned:
        yield "pinned"
    if boot.number is not None and boot.number in found.unreviewed:
        yield f"not reviewed: impermanence reviewed {boot.number}"
    if boot.record and boot.record.hold:
        yield "held: wiping pauses"


def _from(boot: Boot, earlier: Mapping[str, bytes | None]) -> Iterator[str]:
    """Yield what a boot was made from, where that is not the blank of now."""
    if boot.record is None or boot.record.action != "wiped":
        return
    volumes = boot.record.volumes
    for volume in volumes:
        if volume.source_uuid is not None and volume.source_uuid in earlier:
            which = f" (volume {volume.name})" if len(volumes) > 1 else ""
            path = earlier[volume.source_uuid]
            yield f"made from {'a blank that is deleted' if path is None else to_text(path)}{which}"


def _lost(left: EndRecord) -> str:
    least = "" if left.complete else "at least "
    worst = f", the worst a {left.worst}" if left.worst is not None else ""
    paths = wording.plural(left.crud, "path")
    return f"lost {least}{paths} that nothing declared, {size_to_text(left.size)}{worst}"
