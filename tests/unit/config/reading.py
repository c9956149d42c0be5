"""A configuration of these words, read or refused."""

import os
from pathlib import Path

import pytest

from impermanenced.config import settings
from impermanenced.config.load import (
    Config,
    load,
)
from impermanenced.errors import ConfigError

ROOT = Path(settings.__file__).parents[2]


def parsed(tmp_path: Path, text: str | bytes) -> Config:
    file = tmp_path / "config.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(os.fsencode(file))


def refused(tmp_path: Path, text: str | bytes) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parsed(tmp_path, text)
    assert caught.value.message.startswith(f"{tmp_path}/config.toml: ")
    assert caught.value.message.isprintable()
    assert len(caught.value.message.splitlines()) == 1
    return caught.value


ARTICLE = """
[persist."/persist"]
hideMounts = true
directories = [
  "/etc/nixos", "/var/log", "/var/lib/bluetooth", "/var/lib/nixos", "/var/lib/systemd/coredump",
  "/etc/NetworkManager/system-connections",
  {directory = "/var/lib/colord", user = "colord", group = "colord", mode = "u=rwx,g=rx,o="},
]
files = [
  "/etc/machine-id",
  {file = "/var/keys/secret_file", parentDirectory = {mode = "u=rwx,g=,o="}},
]
[persist."/persist".users.talyz]
directories = [
  "Downloads", "Music", "Pictures", "Documents", "Videos", "VirtualBox VMs",
  {directory = ".gnupg", mode = "0700"}, {directory = ".ssh", mode = "0700"},
  {directory = ".nixops", mode = "0700"}, {directory = ".local/share/keyrings", mode = "0700"},
  ".local/share/direnv", {directory = ".local/share/Steam", method = "symlink"},
]
files = [".screenrc"]
"""
