"""The completions of three shells, from one table that is read off the parsers of the verbs."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass

from impermanenced.cli.commands import COMMANDS
from impermanenced.cli.parse import load, parser_of

# What a word may be, where the parser does not list it.
NOTHING, PATH, DIRECTORY, BOOT, RELEASE, UNIT, COMMAND = (
    "nothing", "path", "directory", "boot", "release", "unit", "command",
)  # fmt: skip
Kind = str | tuple[str, ...]

METAVARS: dict[str, Kind] = {
    "PATH": PATH,
    "FILE": PATH,
    "VOLUME": DIRECTORY,
    "N": BOOT,
    "BOOT": BOOT,
    "WORD": RELEASE,  # of `blank`
    "UNIT": UNIT,
    "COMMAND": COMMAND,
    "SIDE": ("mine", "new"),
}
COUNTS = ("--boots", "--lines")  # their N is how many
_WORD = re.compile(r"-?[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True)
class Option:
    """An option of a verb: its spellings, what its value may be (None: it has none), and its help."""

    words: tuple[str, ...]
    value: Kind | None
    help: str


@dataclass(frozen=True)
class Verb:
    """A verb: its options, and what stands behind them."""

    name: str
    about: str
    options: tuple[Option, ...]
    places: tuple[Kind, ...]
    many: bool  # the last place may be there any number of times


def verbs() -> list[Verb]:
    """Return all verbs, as their parsers are."""
    return [_verb(name, about) for name, about in COMMANDS.items()]


def _verb(name: str, about: str) -> Verb:
    actions = parser_of(name, load(name))._actions
    options = [_option(action) for action in actions if action.option_strings]
    places = [action for action in actions if not action.option_strings]
    many = bool(places) and places[-1].nargs == "*"
    return Verb(name, about, tuple(options), tuple(_kind(action) for action in places), many)


def _option(action: argparse.Action) -> Option:
    value = None if action.nargs == 0 else _kind(action)
    return Option(tuple(action.option_strings), value, action.help or "")


def _kind(action: argparse.Action) -> Kind:
    if action.choices:
        return tuple(map(str, action.choices))
    metavar = str(action.metavar or "")
    if "|" in metavar:
        return tuple(word for word in metavar.split("|") if _WORD.fullmatch(word))
    if set(action.option_strings) & set(COUNTS):
        return NOTHING
    found: Kind = METAVARS.get(metavar, NOTHING)
    return found


def completions() -> dict[str, str]:
    """Return the texts of the files, by the names under which the shells look for them."""
    found = verbs()
    return {"impermanence": bash(found), "_impermanence": zsh(found), "impermanence.fish": fish(found)}


# bash

_BASH = """\
# bash completion for impermanence(1); made from its parsers.

_impermanence_boots() {{
    local last
    last=$(sed -n 's/^NUMBER=//p' /run/impermanence/rollback.env 2>/dev/null)
    printf '%s\\n' -1 -2 -3
    [[ $last =~ ^[0-9]+$ ]] && seq $((last > 20 ? last - 20 : 0)) "$last"
}}

_impermanence_of() {{ # KIND WORD
    case $1 in
        path) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$2") ;;
        directory) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$2") ;;
        boot) mapfile -t COMPREPLY < <(compgen -W "$(_impermanence_boots)" -- "$2") ;;
        release)
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -W '-1 -2 -3' -- "$2"; compgen -f -- "$2")
            ;;
        unit)
            mapfile -t COMPREPLY < <(compgen -W "$(systemctl list-units --all --plain --no-legend --full \\
                2>/dev/null | cut -d ' ' -f 1)" -- "$2")
            ;;
        command) mapfile -t COMPREPLY < <(compgen -c -- "$2") ;;
    esac
}}

_impermanence() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}} verb='' place=0 i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${{COMP_WORDS[i]}} in
            --) [[ $verb ]] && ((place++)) ;;
{values}
            -[0-9]*) [[ $verb ]] && ((place++)) ;;
            -*) ;;
            *) if [[ $verb ]]; then ((place++)); else verb=${{COMP_WORDS[i]}}; fi ;;
        esac
    done
    case "$verb $prev" in
{options}
    esac
    if [[ -z $verb ]]; then
        mapfile -t COMPREPLY < <(compgen -W '{names} {shared}' -- "$cur")
        return
    fi
    case $verb in
{verbs}
    esac
}}

complete -F _impermanence impermanence
"""


def bash(found: list[Verb]) -> str:
    """Return the completion of bash."""
    values = {
        word for verb in found for option in verb.options if option.value is not None for word in option.words
    }
    shared = " ".join(word for word in ("--config", "--color", "--no-pager", "--version", "--help"))
    return _BASH.format(
        values=f"            {' | '.join(sorted(values))}) ((i++)) ;;",
        options="\n".join(_bash_options(found)),
        names=" ".join(verb.name for verb in found),
        shared=shared,
        verbs="\n".join(_bash_verb(verb) for verb in found),
    )


def _bash_options(found: list[Verb]) -> Iterator[str]:
    for verb in found:
        for option in verb.options:
            if option.value is not None:
                names = " | ".join(f"'{verb.name} {word}'" for word in option.words)
                yield f"        {names}) {_bash_value(option.value)}; return ;;"
    yield "        *' --config') _impermanence_of path \"$cur\"; return ;;"
    yield f"        *' --color') {_bash_value(('auto', 'always', 'never'))}; return ;;"


def _bash_value(kind: Kind) -> str:
    if isinstance(kind, tuple):
        return f"mapfile -t COMPREPLY < <(compgen -W '{' '.join(kind)}' -- \"$cur\")"
    return f'_impermanence_of {kind} "$cur"'


def _bash_verb(verb: Verb) -> str:
    words = " ".join(word for option in verb.options for word in option.words)
    lines = [f"        {verb.name})"]
    lines.append("            if [[ $cur == -* && $cur != -[0-9]* ]]; then")
    lines.append(f"                mapfile -t COMPREPLY < <(compgen -W '{words}' -- \"$cur\")")
    lines.append("                return")
    lines.append("            fi")
    if verb.places:
        lines.append("            case $place in")
        for number, kind in enumerate(verb.places):
            which = "*" if verb.many and number == len(verb.places) - 1 else str(number)
            lines.append(f"                {which}) {_bash_value(kind)} ;;")
        lines.append("            esac")
    return "\n".join([*lines, "            ;;"])


# zsh

_ZSH = """\
#compdef impermanence
# zsh completion for impermanence(1); made from its parsers.

_impermanence_boots() {{
    local -a numbers=(-1 -2 -3)
    local last=$(sed -n 's/^NUMBER=//p' /run/impermanence/rollback.env 2>/dev/null)
    [[ $last == <-> ]] && numbers+=({{$((last > 20 ? last - 20 : 0))..$last}})
    compadd -a -- numbers
}}

_impermanence_releases() {{
    compadd -- -1 -2 -3
    _files
}}

_impermanence_units() {{
    compadd -- ${{${{(f)"$(systemctl list-units --all --plain --no-legend --full 2>/dev/null)"}}%% *}}
}}

_impermanence() {{
    local curcontext=$curcontext state line
    typeset -A opt_args
    local -a commands=(
{commands}
    )
    _arguments -C {shared} '1:command:->command' '*::argument:->argument' && return
    case $state in
        command) _describe command commands ;;
        argument)
            case $words[1] in
{verbs}
            esac
            ;;
    esac
}}

_impermanence "$@"
"""
_ZSH_KINDS = {
    NOTHING: " ",
    PATH: "_files",
    DIRECTORY: "_files -/",
    BOOT: "_impermanence_boots",
    RELEASE: "_impermanence_releases",
    UNIT: "_impermanence_units",
    COMMAND: "_normal",
}


def zsh(found: list[Verb]) -> str:
    """Return the completion of zsh."""
    shared = " ".join(_zsh_option(option) for option in found[0].options if _is_shared(option))
    return _ZSH.format(
        commands="\n".join(f"        '{verb.name}:{_zsh_text(verb.about)}'" for verb in found),
        shared=shared,
        verbs="\n".join(_zsh_verb(verb) for verb in found),
    )


def _zsh_verb(verb: Verb) -> str:
    words = [_zsh_option(option) for option in verb.options]
    for number, kind in enumerate(verb.places):
        last = verb.many and number == len(verb.places) - 1
        place = "*:" if last and kind != COMMAND else "*::" if last else f"{number + 1}:"
        words.append(f"'{place}argument:{_zsh_kind(kind)}'")
    return f"                {verb.name}) _arguments -s : {' '.join(words)} ;;"


def _zsh_option(option: Option) -> str:
    value = "" if option.value is None else f":value:{_zsh_kind(option.value)}"
    text = f"[{_zsh_text(option.help)}]{value}'"
    if len(option.words) == 1:
        return f"'{option.words[0]}{text}"
    return f"'({' '.join(option.words)})'{{{','.join(option.words)}}}'{text}"


def _zsh_kind(kind: Kind) -> str:
    return f"({' '.join(kind)})" if isinstance(kind, tuple) else _ZSH_KINDS[kind]


def _zsh_text(text: str) -> str:
    return re.sub(r"([\[\]:])", r"\\\1", text.replace("'", ""))


# fish

_FISH = """\
# fish completion for impermanence(1); made from its parsers.

function __impermanence_boots
    printf '%s\\n' -1 -2 -3
    set -l last (sed -n 's/^NUMBER=//p' /run/impermanence/rollback.env 2>/dev/null)
    string match -qr '^[0-9]+$' -- "$last"; and seq (math "max(0, $last - 20)") $last
end

function __impermanence_needs_verb
    set -l value no
    for word in (commandline -opc)[2..-1]
        if test $value = yes
            set value no
        else if contains -- $word --config --color
            set value yes
        else if not string match -q -- '-*' $word
            return 1
        end
    end
end

complete -c impermanence -f
"""
_FISH_BEGIN = "complete -c impermanence"
_FISH_KINDS = {
    NOTHING: "-x",
    PATH: "-r -F",
    DIRECTORY: "-x -a '(__fish_complete_directories)'",
    BOOT: "-x -a '(__impermanence_boots)'",
    RELEASE: "-r -F -a '-1 -2 -3'",
    UNIT: "-x -a '(__fish_systemctl_units 2>/dev/null)'",
    COMMAND: "-x -a '(__fish_complete_subcommand)'",
}


def fish(found: list[Verb]) -> str:
    """Return the completion of fish."""
    return _FISH + "\n".join(_fish_lines(found)) + "\n"


def _fish_lines(found: list[Verb]) -> Iterator[str]:
    for option in found[0].options:
        if _is_shared(option):
            yield f"{_FISH_BEGIN} {_fish_option(option)}"
    for verb in found:
        about = _fish_text(verb.about)
        yield f"{_FISH_BEGIN} -n __impermanence_needs_verb -a {verb.name} -d '{about}'"
        seen = f"{_FISH_BEGIN} -n '__fish_seen_subcommand_from {verb.name}'"
        for option in verb.options:
            if not _is_shared(option):
                yield f"{seen} {_fish_option(option)}"
        for kind in verb.places:
            value = f"-x -a '{' '.join(kind)}'" if isinstance(kind, tuple) else _FISH_KINDS[kind]
            if kind != NOTHING:
                yield f"{seen} {value.replace('-r -F', '-F')}"


def _fish_option(option: Option) -> str:
    names = " ".join(f"-l {word[2:]}" if word.startswith("--") else f"-s {word[1:]}" for word in option.words)
    value = ""
    if option.value is not None:
        is_list = isinstance(option.value, tuple)
        value = f" -x -a '{' '.join(option.value)}'" if is_list else f" {_FISH_KINDS[str(option.value)]}"
    return f"{names}{value} -d '{_fish_text(option.help)}'"


def _fish_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _is_shared(option: Option) -> bool:
    return bool({"--config", "--color", "--no-pager", "--version", "--help"} & set(option.words))
