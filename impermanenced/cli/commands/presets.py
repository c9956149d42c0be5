"""`presets`: the presets that there are, and what one holds on this machine."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...config.load import Config
from ...config.presets import Preset, known
from ...document.fields import printed
from ...document.presets import presets_to_json
from ...keep.presets import Place, look, named
from ...text import size_to_text, to_text
from .. import output, source, wording
from ..arguments import add_json
from ..output import Style
from ..verb import Shared, Verb


@dataclass(frozen=True, slots=True)
class Options:
    name: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser)
    parser.add_argument("name", metavar="NAME", nargs="?", help="show what this one holds on this machine")


def read_options(found: argparse.Namespace) -> Options:
    return Options(found.name)


def run(options: Options, shared: Shared) -> int:
    if options.name is None:
        if shared.json:
            output.write(printed(presets_to_json(known())))
        else:
            output.write_long("".join(f"{line}\n" for line in _list(known(), output.columns())), shared)
        return 0
    preset, config = named(options.name), source.settings(shared.config)
    places = look(preset, config, _root(config))
    if shared.json:
        output.write(printed(presets_to_json({options.name: preset}, places)))
    else:
        output.write(text(options.name, places, output.style(shared)))
    return 0


verb = Verb(add_arguments, read_options, run)


def _root(config: Config | None) -> bytes:
    """Return where the "/" of the system is that the configuration is about."""
    volumes = config.volumes if config is not None else ()
    return next((one.mountpoint for one in volumes if one.path == b"/"), b"/")


def _list(found: Mapping[str, Preset], columns: int) -> Iterator[str]:
    common = {name: one for name, one in found.items() if not one.application}
    width = max(map(len, common))
    for name, one in common.items():
        whats = "; ".join(dict.fromkeys(part.what for part in one.parts))
        yield from wording.wrap(whats, columns, f"{name:<{width}}  ", " " * (width + 2))
    yield ""
    for head, of_home in (("and for applications: ", False), ("in homes: ", True)):
        names = sorted(name for name, one in found.items() if (one.home if of_home else _is_service(one)))
        yield from wording.wrap(", ".join(names), columns, head, "  ")
        yield ""
    yield "What one holds here:  impermanence presets NAME"
    yield 'To keep it:  preset = ["NAME"] below [persist."/persist"] in the configuration, and in a home'
    yield '             below [persist."/persist".users.USER]'


def _is_service(preset: Preset) -> bool:
    return preset.application and bool(preset.parts)


def text(name: str, places: Sequence[Place], style: Style) -> str:
    """Return what a preset holds, for a person, with what checks, closes and deletes it."""
    there = [one for one in places if one.there]
    size = size_to_text(sum(one.size for one in there))
    answer = f"{name} holds {size} here." if there else f"{name} holds nothing here."
    lines = [style.bold(answer)]
    for one in there:
        files = wording.plural(one.files, "file") if one.complete else "very many files"
        kept = f"kept in {to_text(one.source)}" if one.source is not None else "not declared"
        lines += ["", f"  {to_text(one.path)}{'/' if one.directory else ''}  {one.part.what}"]
        lines.append(f"    {size_to_text(one.size)}, {files}, {kept}")
        lines += _ways(one)
    absent = [to_text(one.path) for one in places if not one.there and not one.user]
    if absent:
        lines += ["", f"  not here: {', '.join(absent)}"]
    return "\n".join(lines) + "\n"


def _ways(one: Place) -> Iterator[str]:
    unit = wording.unit(one.unit)
    if one.unit:
        now = "" if one.open else "  (it does not hold it open now)"
        whose = f"--user --machine={shlex.quote(one.user)}@ " if one.own and one.user else ""
        yield f"    close it:   systemctl {whose}stop {shlex.quote(unit)}{now}"
    elif one.open:
        yield "    close it:   a process of no unit holds it open"
    if one.source is not None:
        place = shlex.quote(to_text(one.source))
        yield f"    delete it:  leave it out (without), then  impermanence tidy {place}"
