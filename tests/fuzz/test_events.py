"""The parser of fanotify's buffers, on buffers that no kernel would write."""

from __future__ import annotations

from impermanenced.kernel import fanotify
from impermanenced.kernel.fanotify import Batch, Event

from ..unit.test_fanotify import ENTRY, event, record
from .rounds import TIMES, chance, mutated

BUFFERS = 60_000
WANTED = frozenset({256, 257})
EVENTS = [
    event(fanotify.FAN_CREATE, 42, *ENTRY),
    event(fanotify.FAN_ATTRIB, 1, record(fanotify.FAN_EVENT_INFO_TYPE_DFID_NAME, 256, 300, name=b".\0")),
    event(fanotify.FAN_CREATE, 1, record(2, 999, 5), record(1, 999, 6)),
    event(fanotify.FAN_CREATE, 1, record(2, 256, 5), record(1, 257, 256)),
    event(fanotify.FAN_CREATE, 7, record(2, 256, 5, name=b"x" * 255 + b"\0"), record(1, 256, 8)),
    event(fanotify.FAN_Q_OVERFLOW, 0),
    event(fanotify.FAN_CREATE, 1, record(1, 256, 5, handle_type=0x51), *ENTRY),
]


def slowly(buffer: bytes) -> Batch:
    """What the walk of every record finds, without the quick look at what nearly all events are."""
    events: list[Event] = []
    foreign: set[int] = set()
    arrived: set[int] = set()
    overflowed, total, skipped, offset = False, 0, 0, 0
    while len(buffer) - offset >= 24:
        length, found, mask, odd = fanotify._event(buffer, offset, WANTED, foreign, arrived)
        if not length:
            break
        total, offset, skipped = total + 1, offset + length, skipped + odd
        overflowed = overflowed or bool(mask & fanotify.FAN_Q_OVERFLOW)
        events += [found] if found is not None else []
    return Batch(events, total, overflowed, foreign, skipped + (len(buffer) != offset), arrived)


def merged(events: list[Event]) -> list[Event]:
    """One of those that follow each other about one inode, by one process and through one directory."""
    found: list[Event] = []
    for one in events:
        if found and found[-1]._replace(mask=0, generation=0) == one._replace(mask=0, generation=0):
            found[-1] = found[-1]._replace(mask=found[-1].mask | one.mask)
        else:
            found.append(one)
    return found


def test_the_parser_takes_any_buffer_and_invents_nothing() -> None:
    draw = chance("events")
    for _ in range(BUFFERS * TIMES):
        buffer = b"".join(draw.choice(EVENTS) for _ in range(draw.randint(1, 6)))
        if draw.random() < 0.9:
            buffer = mutated(draw, buffer)
        batch = fanotify.parse(buffer, WANTED)
        assert {found.root_id for found in batch.events} <= WANTED
        assert len(batch.events) <= batch.total <= len(buffer) // 24
        assert not batch.foreign & WANTED
        slow = slowly(buffer)
        assert merged(batch.events) == merged(slow.events), buffer
        assert batch.arrived == slow.arrived and batch.arrived <= batch.foreign, buffer
        assert (batch.total, batch.overflowed) == (slow.total, slow.overflowed), buffer
