"""What the Nix modules say in another form than this configuration does.

Keys that only have another name are in `settings` (`also`).  The modules are nix-community/impermanence and
nix-community/preservation; impermanence-config(5) has the table of their options.
"""

from __future__ import annotations

from .values import Where, quoted

_OPTION_LISTS = ("mount-options", "mountOptions", "commonMountOptions")
_HOW = {"bindmount": "bind"}  # preservation's word, and ours
_IN_INITRD, _CONFIGURE_PARENT = "inInitrd", "configureParent"
_NO_PLACE = "_intermediate"  # a directory that preservation makes and does not keep


def translated(raw: object, where: Where) -> object:
    """Return a table with the words of this configuration; whatever is no table is returned as it is.

    Raises ConfigError for what nothing here can mean.
    """
    if not isinstance(raw, dict):
        return raw
    table = dict(raw)
    for key in _OPTION_LISTS:
        if isinstance(table.get(key), list):
            table[key] = [word for one in table[key] if (word := _option(one)) != "bind"]
    if (early := _switch(table, _IN_INITRD, where)) is not None:
        if "phase" in table:
            (where / _IN_INITRD).fail("the same as phase, which is there as well", "leave one of them out")
        table["phase"] = "initrd" if early else "system"
    if _switch(table, _CONFIGURE_PARENT, where) is False:
        table.pop("parent", None)
    for key in ("how", "method"):
        if table.get(key) == _NO_PLACE:
            (where / key).fail(
                f"{quoted(_NO_PLACE)} keeps nothing", "the directories on the way are made anyway"
            )
        if isinstance(word := table.get(key), str):
            table[key] = _HOW.get(word, word)
    return table


def _switch(table: dict[str, object], key: str, where: Where) -> bool | None:
    value = table.pop(key, None)
    if value is not None and not isinstance(value, bool):
        (where / key).fail(f"{quoted(value)} is not true or false", f"for example {key} = true")
    return value


def _option(one: object) -> object:
    """Return preservation's {name, value} as one word."""
    if not isinstance(one, dict) or not set(one) <= {"name", "value"}:
        return one
    name, value = one.get("name"), one.get("value")
    return name if value is None else f"{name}={value}"
