"""The command `impermanence`: parse, act, show.

Only here modules are loaded inside functions: each command pays for what it needs, and the bus is
not touched on a machine that has none.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from .. import __version__
from ..document.report import report_to_json
from ..errors import ImpermanenceError, NotPermitted, ServiceError
from ..text import to_text
from .parse import COMMANDS, Options, parse

BUS_SOCKET = "/run/dbus/system_bus_socket"
# Seconds that the daemon has for an answer.  A look of our own would take as long, and know no writers.
TIMEOUT = 60.0
UNCUT = 1 << 16  # columns


def command() -> int:
    """`main` as a process of its own.

    It ends before garbage in cycles could matter, and the search for it, above all the last one when the
    interpreter ends, is a twentieth of the time of a report.
    """
    gc.disable()
    try:
        return main()
    finally:
        gc.freeze()


def main(argv: Sequence[str] | None = None) -> int:
    try:
        code = _run(parse(sys.argv[1:] if argv is None else argv))
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except ImpermanenceError as error:
        _complain(error.message, error.hint)
        return error.exit_code
    except BrokenPipeError:
        # The reader had enough; the interpreter must not find out again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + signal.SIGPIPE  # not 0: `status --exit-code | head` has not said "nothing"
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except OSError as error:
        where = [_text(name) for name in (error.filename, error.filename2) if name is not None]
        _complain(": ".join([*where, error.strerror or str(error)]))
        return NotPermitted.exit_code if isinstance(error, PermissionError) else 1


def _text(name: object) -> str:
    return to_text(os.fsencode(name)) if isinstance(name, str | bytes) else str(name)


def _complain(message: str, hint: str | None = None) -> None:
    if sys.stderr is not None:
        lines = [f"impermanence: {message}"] + ([f"hint: {hint}"] if hint else [])
        # A message may carry what was typed, and a terminal obeys what it is sent.
        sys.stderr.write("".join(f"{_printable(line)}\n" for line in lines))


def _printable(line: str) -> str:
    return line if line.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def _run(options: Options) -> int:
    if options.command == "help":
        return _write(options.help)
    if options.command == "version":
        return _write(f"impermanence {__version__}\n")
    commands = {
        "status": _status,
        "diff": _diff,
        "explain": _explain,
        "suggest": _suggest,
        "gate": _gate,
        "watch": _watch,
        "next": _next,
        "boots": _boots,
        "setup": _setup,
        "doctor": _doctor,
        "prune": _prune,
        "pin": _pin,
        "unpin": _pin,
    }
    return commands[options.command](options)


# Where the document comes from


def fetch(config: bytes | None) -> Mapping[str, Any]:
    """The whole report: of the daemon where one runs with this configuration, else by our own look."""
    document = _from_daemon(config)
    return document if document is not None else _from_machine(config)


def _from_daemon(config: bytes | None) -> Mapping[str, Any] | None:
    if "DBUS_SYSTEM_BUS_ADDRESS" not in os.environ and not os.path.exists(BUS_SOCKET):
        return None
    try:
        from ..bus import client
    except ImportError:  # the package works without the libraries of the bus
        return None
    from ..config.load import DEFAULT

    try:
        return client.fetch_status(TIMEOUT, config if config is not None else DEFAULT)
    except ServiceError as error:
        if os.geteuid() != 0:
            raise
        _complain(f"{error.message}; reading the filesystem instead", error.hint)
        return None


def _from_machine(config: bytes | None) -> Mapping[str, Any]:
    from ..report.report import Manager

    try:
        with Manager(config) as manager:
            return report_to_json(manager.status())
    except PermissionError as error:
        where = f"{_text(error.filename)}: " if error.filename is not None else ""
        raise NotPermitted(
            f"{where}reading the filesystem's trees is not permitted",
            "run it as root, or start impermanenced.service",
        ) from None


# Commands


def _status(options: Options) -> int:
    from . import query, since

    whole = since.only(fetch(options.config), options.since, time.time())
    document = query.status(whole, all_verdicts=options.all)
    if options.json:
        _write_json(document)
    else:
        from . import show
        from .commands import next

        settings = _settings(options.config)
        text = show.status(
            document,
            columns=_columns(),
            now=time.time(),
            style=show.Style(color=_color(options)),
            trial=settings is not None and not settings.rollback.wipe,
            notices=next.notices(options.config),
            view=options.view,
            order=options.order,
            whole=options.all,
            commands=COMMANDS,
        )
        _write_long(text, options)
    return query.LOST if options.exit_code and document["counts"]["crud"] else 0


def _diff(options: Options) -> int:
    from . import query

    whole = fetch(options.config)
    path = None if options.path is None else query.meant(whole, options.path, _directory(options.path))
    document = query.diff(whole, path)
    if options.json:
        return _write_json(document)
    from . import show

    return _write_long("".join(show.diff(document)), options)


def _explain(options: Options) -> int:
    from ..config.load import DEFAULT
    from . import query, show

    assert options.path is not None
    settings = _settings(options.config)
    explanation = query.explain(fetch(options.config), options.path, _directory(options.path))
    text = show.explain(
        explanation,
        persist=to_text(settings.persist[0]) if settings and settings.persist else "/persist",
        config=to_text(options.config or DEFAULT),
        now=time.time(),
        style=show.Style(color=_color(options)),
        commands=COMMANDS,
    )
    _write(text)
    return explanation.exit_code


def _suggest(options: Options) -> int:
    from .commands import suggest

    suggest.check(options)  # before anything is read
    relative = any(not path.startswith(b"/") for path in options.paths)
    cwd = os.getcwdb() if relative else b"/"
    found = suggest.suggest(fetch(options.config), _settings(options.config), options, cwd)
    return _write_json(found) if options.json else _write_long(found, options)


def _directory(path: bytes) -> bytes:
    """What a path is relative to; an absolute one works also where the current directory is gone."""
    return b"/" if path.startswith(b"/") else os.getcwdb()


def _settings(config: bytes | None) -> Any:
    """The configuration; None for who may not read it, whom the daemon answers nevertheless."""
    from ..config.load import load

    try:
        return load(config)
    except ImpermanenceError:
        return None


def _gate(options: Options) -> int:
    from . import show
    from .commands import gate

    judgement = gate.judge(fetch(options.config), options.config)
    if options.json:
        _write_json(gate.to_json(judgement))
    else:
        _write(gate.show(judgement, show.Style(color=_color(options))))
    return gate.exit_code(judgement)


def _watch(options: Options) -> int:
    try:
        from .commands import watch
    except ImportError:
        raise ServiceError(
            "the libraries of the bus are missing", "apt-get install python3-gi python3-pydbus"
        ) from None
    from . import show

    return watch.run(options, _write_now, _complain, show.Style(color=_color(options)))


def _setup(options: Options) -> int:
    from ..boots import setup
    from ..report.report import Manager
    from . import show

    with Manager(options.config) as manager:
        steps = setup.run(manager.config, manager.machine, dry_run=options.dry_run)
    return _write(show.setup(steps, dry_run=options.dry_run))


def _doctor(options: Options) -> int:
    from . import show
    from .commands import doctor

    found = doctor.examine(options.config)
    if options.json:
        _write_json(doctor.to_json(found))
    else:
        _write(doctor.show(found, show.Style(color=_color(options))))
    return doctor.exit_code(found)


def _next(options: Options) -> int:
    from .commands import next

    return _write(next.ask(options))


def _boots(options: Options) -> int:
    from .commands import boots, next

    if options.good:
        next.mark_good()
        return 0
    if options.alert:
        next.alert()
        return 0
    document = next.document(options)
    if options.json:
        return _write_json(document)
    return _write_long(boots.boots(document, columns=_columns(), now=time.time()), options)


def _prune(options: Options) -> int:
    from . import show
    from .commands import prune

    return prune.run(options, _write_now, show.Style(color=_color(options)))


def _pin(options: Options) -> int:
    from .commands import prune

    return prune.pin(options, _write)


# The way out


def _terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _color(options: Options) -> bool:
    if options.color != "auto":
        return options.color == "always"
    return _terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _columns() -> int:
    """A file or a program gets everything: what is cut cannot be searched."""
    try:
        return os.get_terminal_size(1).columns or 80 if _terminal() else int(os.environ["COLUMNS"])
    except KeyError:
        return UNCUT
    except (OSError, ValueError):
        return 80


def _write(text: str) -> int:
    if sys.stdout is not None:
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    return 0


def _write_now(text: str) -> int:
    """Also where the output is a file: long work shows how far it is."""
    _write(text)
    if sys.stdout is not None:
        sys.stdout.flush()
    return 0


def _write_json(document: Mapping[str, Any]) -> int:
    import json

    return _write(json.dumps(document) + "\n")


def _write_long(text: str, options: Options) -> int:
    if options.pager and _terminal():
        from . import pager

        if pager.page(text):
            return 0
    return _write(text)
