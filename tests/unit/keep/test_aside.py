"""Which names a program gives to the new version of a file that it means to replace."""

from __future__ import annotations

import pytest

from impermanenced.keep.aside import _is_named_after


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("wpa_supplicant.conf.tmp", "wpa_supplicant.conf"),
        ("fish_variables.a8Xk2Q", "fish_variables"),
        ("passwd+", "passwd"),
        (".#machine-idd41d8cd98f00b204", "machine-id"),
        (".bash_history-04242.tmp", ".bash_history"),
        ("settings.json.new", "settings.json"),
        (".x.conf.Q1W2E3", "x.conf"),
        ("known_hosts~", "known_hosts"),
    ],
)
def test_a_new_version(name: str, base: str) -> None:
    assert _is_named_after(name.encode(), base.encode())


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("known_hosts", "known_hosts"),
        ("known_hosts2", "known_hosts"),
        ("known_hosts.old", "known_hosts"),
        (".screenrc.local", ".screenrc"),
        (".bashrc.backup", ".bashrc"),
        ("passwd-", "passwd"),
        ("passwd.lock", "passwd"),
        (".x.conf.swp", "x.conf"),
        ("hostnames", "hostname"),
        ("xorg.conf.d", "xorg.conf"),
        ("other.tmp", "passwd"),
    ],
)
def test_another_file(name: str, base: str) -> None:
    assert not _is_named_after(name.encode(), base.encode())
