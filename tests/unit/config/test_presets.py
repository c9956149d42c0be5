"""Presets: names that stand for declarations, each part of which can be left out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from impermanenced.config import presets
from impermanenced.config.load import Config
from impermanenced.report.knowledge import essentials, files, lint

from .reading import parsed, refused

FOREIGN = '[[volume]]\nmountpoint = "/mnt"\npath = "/"\n'


def declared(config: Config) -> dict[bytes, tuple[bool, str]]:
    return {one.declaration.path: (one.declaration.directory, one.details.phase) for one in config.placements}


def block(*lines: str, persist: object = "/persist") -> str:
    return "\n".join([FOREIGN, f'[persist."{persist}"]', *lines, ""])


def test_the_data_are_those_of_the_rules() -> None:
    rules, problems = lint.examine(files.DATA)
    assert problems == []
    expected = essentials.compile(rules)
    assert Path(os.fsdecode(presets.DATA)).read_text() == expected, "tools/compile-knowledge"


def test_the_presets_that_are_promised_are_there() -> None:
    found = presets.known()
    assert {name for name, one in found.items() if not one.application} == {
        "identity", "network", "bluetooth", "timers", "journal", "logs",
    }  # fmt: skip
    assert {"postgresql", "sonarr", "redis", "networkmanager"} <= set(found)
    assert "users" not in found, "programs replace /etc/passwd"
    for one in found.values():
        for part in one.parts:
            assert part.what and part.paths
            assert all(path.startswith(b"/") and b"*" not in path for path in part.paths)
        for part in one.home:
            assert part.what and part.paths
            assert all(not path.startswith((b"/", b"~")) and b"*" not in path for path in part.paths)
    assert {"openssh", "gnupg", "firefox", "fish", "git"} <= {name for name, one in found.items() if one.home}


def test_of_another_system_the_first_places(tmp_path: Path) -> None:
    config = parsed(tmp_path, block('preset = ["identity", "postgresql", "logs", "journal"]'))
    assert declared(config) == {
        b"/var/lib/nixos": (True, "system"),
        b"/etc/machine-id": (False, "initrd"),
        b"/etc/ssh/ssh_host_ed25519_key": (False, "system"),
        b"/etc/ssh/ssh_host_ed25519_key.pub": (False, "system"),
        b"/var/lib/systemd/random-seed": (False, "system"),
        b"/var/lib/postgresql": (True, "system"),
        b"/var/log": (True, "system"),
    }, "the journal is in /var/log"
    (one,) = {one.declaration.source for one in config.placements}
    assert one.endswith('persist."/persist".preset')


def test_each_part_can_be_left_out(tmp_path: Path) -> None:
    left = 'without = ["openssh", "/var/lib/nixos/", "/var/lib/systemd/random-seed"]'
    config = parsed(tmp_path, block('preset = ["identity"]', left))
    assert set(declared(config)) == {b"/etc/machine-id", b"/var/lib/urandom/random-seed"}


def test_what_is_declared_one_by_one_goes_before(tmp_path: Path) -> None:
    config = parsed(
        tmp_path,
        block(
            'preset = ["identity", "network"]',
            'directories = ["/var/lib/NetworkManager", "/etc/ssh"]',
            'files = [{path = "/etc/machine-id", method = "symlink"}]',
        ),
    )
    found = {one.declaration.path: one for one in config.placements}
    assert found[b"/etc/machine-id"].method == "symlink"
    assert found[b"/var/lib/NetworkManager"].declaration.source.endswith("directories[0]")
    assert not any(path.startswith(b"/etc/ssh/") for path in found)


def test_here_it_is_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the root, or in the persist volume already, and of the kind that it should be."""
    persist = tmp_path / "persist"
    places = tuple(os.fsencode(tmp_path / name) + b"/" for name in "ab")
    part = presets.Part("X", "it", places, False)
    made = presets.Preset((part,), application=False)
    monkeypatch.setattr(presets, "known", lambda: {"x": made, "y": presets.Preset((part,), application=True)})
    text = f'[persist."{persist}"]\npreset = ["x"]\n'
    assert declared(parsed(tmp_path, text)) == {}
    assert list(declared(parsed(tmp_path, text.replace("x", "y")))) == [os.fsencode(tmp_path / "a")]
    (tmp_path / "a").write_text("no directory")
    (persist / str(tmp_path)[1:] / "b").mkdir(parents=True)
    assert list(declared(parsed(tmp_path, text))) == [os.fsencode(tmp_path / "b")]


def test_what_applications_have_in_a_home(tmp_path: Path) -> None:
    """Of another system the first places; files can be replaced by programs, so they are copied back."""
    config = parsed(
        tmp_path,
        block(
            'preset = ["identity"]',
            '[persist."/persist".users.alice]',
            'preset = ["openssh", "git", "fish"]',
            'without = [".git-credentials", ".config/fish/"]',
            'directories = [".local/share/fish"]',
            '[persist."/persist".users.bob]',
            'home = "/srv/bob"',
            'preset = ["openssh"]',
        ),
    )
    found = {
        one.declaration.path: (one.method, one.user, one.declaration.directory)
        for one in config.placements
        if one.user
    }
    assert found == {
        b"/home/alice/.local/share/fish": ("bind", "alice", True),
        b"/home/alice/.ssh": ("bind", "alice", True),
        b"/home/alice/.gitconfig": ("sync", "alice", False),
        b"/home/alice/.config/git/credentials": ("sync", "alice", False),
        b"/srv/bob/.ssh": ("bind", "bob", True),
    }
    sources = {one.declaration.source for one in config.placements if one.user == "bob"}
    assert [one.endswith('persist."/persist".users.bob.preset') for one in sources] == [True]
    assert b"/etc/machine-id" in declared(config)


def test_in_a_home_it_is_what_is_there(tmp_path: Path) -> None:
    persist, home = tmp_path / "persist", tmp_path / "home"
    (home / ".config/mozilla").mkdir(parents=True)
    (persist / str(home)[1:] / ".gnupg").mkdir(parents=True)
    text = f'[persist."{persist}".users.alice]\nhome = "{home}"\npreset = ["firefox", "gnupg"]\n'
    found = [os.fsdecode(path)[len(str(home)) + 1 :] for path in declared(parsed(tmp_path, text))]
    assert found == [".config/mozilla", ".gnupg"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['preset = ["firefox"]'], 'preset[0]: the preset "firefox" has nothing in the system'),
        (
            ['[persist."/persist".users.alice]', 'preset = ["postgresql"]'],
            'users.alice.preset[0]: the preset "postgresql" has nothing in a home',
        ),
        (
            ['[persist."/persist".users.alice]', 'preset = ["git"]', 'without = ["/x"]'],
            'users.alice.without[0]: no preset here has "/x"',
        ),
        (['preset = ["identiy"]'], 'preset[0]: there is no preset "identiy"'),
        (['preset = ["identity", 1]'], "preset[1]: 1 is not a string"),
        (['preset = "identity"'], 'preset: "identity" is not a list of names'),
        (['preset = ["identity"]', 'without = ["/x"]'], 'without[0]: no preset here has "/x"'),
        (['without = ["openssh"]'], 'without[0]: no preset here has "openssh"'),
        (['preset = ["a\\u001b[31m"]'], 'preset[0]: there is no preset "a\\x1b[31m"'),
    ],
)
def test_what_is_refused(tmp_path: Path, lines: list[str], message: str) -> None:
    assert refused(tmp_path, block(*lines)).message.endswith(message)


def test_files_add_up(tmp_path: Path) -> None:
    more = '[persist.more]\npath = "/persist"\npreset = ["timers", "bluetooth"]\n'
    text = block('preset = ["timers"]') + more
    assert set(declared(parsed(tmp_path, text))) == {b"/var/lib/systemd/timers", b"/var/lib/bluetooth"}
