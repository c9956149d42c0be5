"""Write the sample configuration, and the man page's list of settings, from the table of settings.

`python -m impermanenced.config.sample > docs/config.toml.sample` replaces the file; `... man` prints the
list.  A test holds both to the table.
"""

from __future__ import annotations

import sys
import textwrap

from .settings import ENTRIES, SECTIONS, SETTINGS, Kind, Setting

HEAD = """\
# /etc/impermanence/config.toml: what an impermanent system keeps.  See impermanence-config(5).
#
# Everything has a default: an empty file is a valid configuration.  Each setting below shows its
# default, or an example where there is none.
"""
WIDTH = 98


def _comment(text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent="# ", subsequent_indent="# ") + "\n"


def _kind(setting: Setting) -> str:
    """Return a sentence on what the value must be, or "" if the help says it already."""
    if setting.kind is Kind.WORD:
        return f"It is one of: {', '.join(setting.words)}."
    return "" if setting.kind.value in setting.help else f"It is {setting.kind.value}."


def sample() -> str:
    """Return the sample configuration: each setting commented out, below its help."""
    parts = [HEAD]
    for section, about in SECTIONS.items():
        parts.append("\n" + _comment(about) + f"#{section}\n")
        for setting in SETTINGS:
            if setting.section == section and setting.kind is not Kind.TABLE:
                parts.append(_comment(setting.help) + f"#{setting.key} = {setting.sample}\n")
    return "".join(parts)


def _scdoc(text: str) -> str:
    return "".join("\\" + character if character in "*_\\`" else character for character in text)


def man() -> str:
    """Return the list of all settings as scdoc text."""
    parts = []
    for section, about in {**SECTIONS, **ENTRIES}.items():
        parts.append(f"## {_scdoc(section)}\n\n{_scdoc(about)}\n")
        for setting in SETTINGS:
            if setting.section == section:
                names = ", ".join(f"*{_scdoc(name)}*" for name in setting.also)
                also = f" (also {names})" if names else ""
                parts.append(
                    f"*{_scdoc(setting.key)}*{also}\n"
                    f"\t{_scdoc(f'{setting.help}. {_kind(setting)}'.rstrip())}++\n"
                    f"{_scdoc(f'{setting.key} = {setting.sample}')}\n"
                )
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(man() if sys.argv[1:] == ["man"] else sample())
