"""What the package's own rules know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from impermanenced.model import FileType
from impermanenced.report.knowledge import Knowledge

if TYPE_CHECKING:
    pass


@pytest.mark.parametrize(
    ("path", "type", "loss", "root"),
    [
        # The declarations of the article that this project starts from.
        ("/etc/nixos", "directory", "config", "/etc/nixos"),
        ("/var/log", "directory", "log", "/var/log"),
        ("/var/lib/bluetooth", "directory", "secret", "/var/lib/bluetooth"),
        ("/var/lib/nixos", "directory", "service-state", "/var/lib/nixos"),
        ("/var/lib/systemd/coredump", "directory", "log", "/var/lib/systemd/coredump"),
        (
            "/etc/NetworkManager/system-connections",
            "directory",
            "secret",
            "/etc/NetworkManager/system-connections",
        ),
        ("/var/lib/colord", "directory", "service-state", "/var/lib/colord"),
        ("/etc/machine-id", "file", "service-state", "/etc/machine-id"),
        ("/var/keys/secret_file", "file", "secret", "/var/keys"),
        ("/home/alice/Downloads", "directory", "document", "/home/alice/Downloads"),
        ("/home/alice/Music", "directory", "document", "/home/alice/Music"),
        ("/home/alice/Pictures", "directory", "document", "/home/alice/Pictures"),
        ("/home/alice/Documents", "directory", "document", "/home/alice/Documents"),
        ("/home/alice/Videos", "directory", "document", "/home/alice/Videos"),
        ("/home/alice/VirtualBox VMs", "directory", "document", "/home/alice/VirtualBox VMs"),
        ("/home/alice/.gnupg", "directory", "secret", "/home/alice/.gnupg"),
        ("/home/alice/.ssh", "directory", "config", "/home/alice/.ssh"),
        ("/home/alice/.nixops", "directory", "secret", "/home/alice/.nixops"),
        ("/home/alice/.local/share/keyrings", "directory", "secret", "/home/alice/.local/share/keyrings"),
        ("/home/alice/.local/share/direnv", "directory", "config", "/home/alice/.local/share/direnv"),
        ("/home/alice/.local/share/Steam", "directory", "service-state", "/home/alice/.local/share/Steam"),
        ("/home/alice/.screenrc", "file", "config", "/home/alice/.screenrc"),
    ],
)
def test_what_people_declare_is_known_as_a_loss(
    packaged: Knowledge, path: str, type: str, loss: str, root: str
) -> None:
    fact = packaged.of(path.encode(), FileType(type))
    assert fact is not None and not fact.default
    assert (fact.verdict_hint, fact.loss, fact.root) == ("crud", loss, root.encode())


@pytest.mark.parametrize(
    "path",
    [
        "/home/alice/.config/systemd/user/thing.socket",  # a unit
        "/etc/systemd/system/thing.socket",
        "/home/alice/.config/nixos/flake.lock",  # chosen versions
        "/var/www/site/composer.lock",
        "/home/alice/.config/thing/Local Storage/leveldb/000003.log",  # the newest data
        "/var/lib/kafka/topic-0/00000000000000000000.log",
        "/var/lib/thing/dumps/monday.sql",
        "/opt/oracle/export.dmp",
        "/home/alice/.config/mpv/shaders/sharpen.glsl",  # gathered by a person
        "/home/alice/.purple/logs/jabber/bob/2024.txt",  # what was said
        "/home/alice/code/.git/logs/HEAD",
        "/home/alice/.local/share/Trash/files/cache/photo.jpg",
        "/home/alice/code/cache/plan.lock",
        "/home/alice/.msal_token_cache.json",
        "/var/mail/cache",
        "/var/backups/site/tmp/x",
        "/var/lib/systemd/timers/stamp-thing.timer",
        "/etc/thing/thing.conf.bak",
    ],
)
def test_what_its_name_alone_would_have_hidden_is_a_loss(packaged: Knowledge, path: str) -> None:
    fact = packaged.of(path.encode(), FileType.FILE)
    assert fact is None or fact.verdict_hint == "crud", fact


def test_the_package_knows_many_applications(packaged: Knowledge) -> None:
    applications = {rule.application for rule in packaged.rules if not rule.default}
    assert len(applications) >= 150
