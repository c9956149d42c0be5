"""`watch`: the daemon's news, as lines or on the desktop, until the command is interrupted."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...document.fields import printed
from ...document.news import (
    Announcement,
    Holds,
    Other,
    Overflow,
    Reached,
    Sum,
    Undeclared,
    news_from_json,
    news_to_json,
)
from ...errors import ServiceError, UsageError
from ...keep.state import STATES, State
from ...lazy import regex
from ...losses import SERIOUS, LossClass
from ...model import Change
from ...text import size_to_text, to_text
from .. import next_boot, output, wording
from ..arguments import add_json
from ..notify import Notices
from ..output import Style
from ..verb import Shared, Verb

try:
    from gi.repository import GLib

    from ...bus import client
    from ...bus.follow import EVERYTHING, Follower
    from ...system import notifications
except ImportError:  # the other verbs work without the libraries of the bus
    client = None  # type: ignore[assignment]

_LOSS = max(map(len, LossClass))
_LINES = regex(r"0|[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class Options:
    lines: int | None = 10  # earlier news to begin with; None: all that are remembered
    notify: bool = False  # on the desktop


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser, "one JSON object a line")
    parser.add_argument(
        "-n", "--lines", metavar="N|all", help="begin with the last N announcements (default: 10)"
    )
    parser.add_argument("--notify", action="store_true", help="show desktop notifications in place of lines")


def read_options(found: argparse.Namespace) -> Options:
    if found.notify and (found.json or found.lines is not None):
        raise UsageError("watch: --json and --lines do not go with --notify", "impermanence watch --help")
    word = "10" if found.lines is None else found.lines
    if word != "all" and not _LINES.fullmatch(word):
        raise UsageError(f"--lines {word}: not a number of lines", 'a number, 0 or more, or "all"')
    return Options(None if word == "all" else int(word), found.notify)


def run(options: Options, shared: Shared) -> int:
    """Follow the news until an exception ends it.

    Raises ServiceError if there is no daemon to follow, and BrokenPipeError when the reader of the output has
    gone.  A signal ends the process, as it ends journalctl.
    """
    next_boot.complain_of_another_root(shared.config)
    if client is None:
        hint = "apt-get install python3-gi python3-pydbus"
        raise ServiceError("the libraries of the bus are missing", hint)
    gc.enable()  # this command may run for days
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    bus = client.connect()
    if bus is None:
        raise ServiceError("there is no system bus", "systemctl status dbus")
    style = output.style(shared)

    def show(news: Announcement) -> None:
        said = printed(news_to_json(news)) if shared.json else f"{line(news, time.time(), style)}\n"
        output.write_now(said)

    handle = show

    def tell(text: str) -> None:
        handle(news_from_json(text))

    follower = Follower(bus.con, tell, _say_changed, shared.config)
    if options.notify:
        handle = _notices(follower).tell
        follower.run(0)
    else:
        if os.geteuid() != 0:
            output.complain("only what belongs to you is shown", "root sees everything")
        _watch_output(lambda: follower.fail(BrokenPipeError()))
        follower.run(EVERYTHING if options.lines is None else options.lines, _show_start)
    return 0


verb = Verb(add_arguments, read_options, run)


def _say_changed(there: bool) -> None:
    if there:
        output.complain("impermanenced is back")
    else:
        output.complain("impermanenced has stopped, what is written meanwhile is not seen")


def _show_start(seconds: float) -> None:
    output.wait_for_start(seconds)


def _notices(follower: Follower) -> Notices:
    """Return the notifications on the desktop of the session's own user."""

    def show(summary: str, lines: Sequence[str], worth_a_look: bool) -> None:
        screen.show(summary, lines, notifications.NORMAL if worth_a_look else notifications.LOW)

    def later(seconds: float, work: Callable[[], None]) -> None:
        def once() -> bool:
            work()
            return GLib.SOURCE_REMOVE  # type: ignore[no-any-return]

        GLib.timeout_add(int(seconds * 1000), once)

    con = notifications.connect()
    con.connect("closed", lambda *_: follower.fail(ServiceError("the session bus closed the connection")))
    notices = Notices(show, later, time.monotonic, output.complain)
    screen = notifications.Desktop(con, notices.seen)
    return notices


def _watch_output(gone: Callable[[], None]) -> None:
    """Call `gone` when the reader of the output has gone, which a write would show much later."""
    if sys.stdout is None:
        return

    def look(*_: object) -> bool:
        gone()
        return GLib.SOURCE_REMOVE  # type: ignore[no-any-return]

    GLib.io_add_watch(1, GLib.PRIORITY_DEFAULT, GLib.IOCondition.ERR | GLib.IOCondition.HUP, look)


def line(news: Announcement, now: float, style: Style) -> str:
    """Return one piece of news, such as `09:14:07  secret  /etc/key  created, 411 B  sshd-keygen.service`."""
    when = wording.clock(news.time, now, exact=True)
    loss = news.loss if isinstance(news, Undeclared) else None
    padded = wording.pad(loss or "", _LOSS)
    serious = loss is not None and loss.traits.weight >= SERIOUS
    return f"{when}  {style.bold(padded) if serious else padded}  {_about(news)}".rstrip()


def _about(news: Announcement) -> str:
    match news:
        case Other():
            kind = to_text(news.kind.encode("utf-8", "surrogateescape"))
            return f"{kind}, which this version does not know"
        case Overflow():
            times = wording.plural(news.overflows, "time")
            return f"the kernel dropped events, {times} by now: of some files it is not known who wrote them"
        case Reached():
            sums = f"{size_to_text(news.size)} in {wording.plural(news.count, 'path')}"
            return f"{news.level}: what is undeclared has come to {sums}"
        case Holds():
            state = STATES[news.reason]
            words = "holds again" if state is State.ACTIVE else f"declaration {state.value}"
            return f"{wording.homely(to_text(news.path))}  {words}: {to_text(news.words.encode())}"
        case Sum():
            how = " by the boot itself" if news.boot else " more"
            paths = wording.plural(news.count, "path")
            return f"{wording.homely(to_text(news.path))}  {paths}{how}, {size_to_text(news.size)}"
        case Undeclared():
            change = "changed" if news.change == Change.METADATA else news.change
            what = change if news.count == 1 else f"{wording.plural(news.count, 'path')} {change}"
            about = f"{wording.homely(to_text(news.path))}  {what}, {size_to_text(news.size)}"
            return f"{about}  {wording.writer(news.writer)}"
