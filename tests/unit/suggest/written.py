"""Suggestions as `suggest` prints them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from impermanenced.cli.commands import suggest
from impermanenced.cli.commands.suggest import Options
from impermanenced.cli.parse import parse
from impermanenced.config import load
from tests.unit.reports import ROOT, report


def options(*argv: str) -> Options:
    found: Options = parse(["suggest", *argv]).options
    return found


def configured(tmp_path: Path, text: str) -> load.Config:
    file = tmp_path / "config.toml"
    file.write_text(text)
    return load.load(os.fsencode(file))


def suggestion(tmp_path: Path, text: str, *argv: str, entries: Sequence[Any] = ()) -> str:
    # Not of this machine, which may have a Nix store.
    volume = ROOT._replace(mountpoint=os.fsencode(tmp_path / "root"), blank=None, blank_id=None)
    found = report(*entries, volumes=(volume,))
    return suggest.text(found, configured(tmp_path, text), options(*argv), b"/")


ODD = """
[persist."/persist"]
hide-mounts = true
directories = [
  {path = "/a", user = "u", group = "g", mode = "0700", method = "symlink"},
  {path = "/b", hide-mount = false},
]
files = [
  {path = "/c/d", user = "u", mode = "0600", method = "symlink", parent-directory = {user = "u"}},
]
[persist."/persist".users.alice]
home = "/srv/alice"
files = [{path = "e/f", mode = "0600", parent-directory = {mode = "0700"}}]
[persist."/other"]
default-permissions = {user = "u", mode = "0711"}
directories = [
  "/x", {path = "/y", hide-mount = true},
  {path = "/z", phase = "initrd", allow-trash = true, mount-options = ["noexec", "x-gdu.hide"]},
]
files = [
  {path = "/f", method = "symlink", create-link-target = false, hide-mount = true},
  {path = "/g", method = "auto", parent-directory = {mode = "0700"}},
]
"""
ONLY_HERE = """
[persist."/persist"]
directories = [{path = "/a", exclude = ["cache", "b c"]}]
files = [{path = "/b", method = "sync"}]
"""
