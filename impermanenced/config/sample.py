"""The sample configuration and the man page's list, from the table of settings.

`python -m impermanenced.config.sample > docs/config.toml.sample` writes the file anew; `... man` prints
the list.  A test proves that both are as here.
"""

from __future__ import annotations

import sys
import textwrap

from .settings import ENTRIES, SECTIONS, SETTINGS, Kind, Setting

HEAD = """\
# /etc/impermanence/config.toml: what an impermanent system keeps.  See impermanence-config(5).
#
# Everything has a default, an empty file is a valid configuration.  What is commented out below is
# the default, or an example where there is none.
"""
WIDTH = 98


def _comment(text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent="# ", subsequent_indent="# ") + "\n"


def _kind(setting: Setting) -> str:
    """What the value must be, where the help does not say it already."""
    if setting.kind is Kind.WORD:
        return f"One of {', '.join(setting.words)}."
    if setting.kind is Kind.WORDS:
        return f"Of {', '.join(setting.words)}."
    return "" if setting.kind.value in setting.help else f"It is {setting.kind.value}."


def sample() -> str:
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
    """In scdoc's language."""
    parts = []
    for section, about in {**SECTIONS, **ENTRIES}.items():
        parts.append(f"## {_scdoc(section)}\n\n{_scdoc(about)}\n")
        for setting in SETTINGS:
            if setting.section == section:
                also = f" (also *{_scdoc(setting.also)}*)" if setting.also else ""
                parts.append(
                    f"*{_scdoc(setting.key)}*{also}\n"
                    f"\t{_scdoc(f'{setting.help}. {_kind(setting)}'.rstrip())}++\n"
                    f"{_scdoc(f'{setting.key} = {setting.sample}')}\n"
                )
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(man() if sys.argv[1:] == ["man"] else sample())
