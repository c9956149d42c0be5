"""After what a path's program is called."""

from __future__ import annotations

import pytest

from impermanenced.model import FileType
from impermanenced.report.knowledge import Knowledge, component

from .asked import knowledge


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (b"/home/alice/.config/.jira/config", "jira"),
        (b"/home/alice/.config/zellij/config.kdl", "zellij"),
        (b"/home/alice/.config/starship.toml", "starship"),
        (b"/home/alice/.local/share/com.github.johnfactotum.Foliate/x", "Foliate"),
        (b"/home/alice/.local/share/com.vercel.cli/auth.json", "vercel"),
        (b"/home/alice/.var/app/com.spotify.Client/x", "spotify"),
        (b"/home/alice/.lmmsrc.xml", "lmms"),
        (b"/home/alice/.vim/x", "vim"),
        (b"/home/alice/.local/bin/x", ""),
        (b"/home/alice/.config/autostart/x.desktop", ""),
        (b"/home/alice/letters/x", ""),
        (b"/var/lib/private/mealie/x", "mealie"),
        (b"/var/db/veilid-server/x", "veilid-server"),
        (b"/var/backup/postgresql/x", "postgresql"),
        (b"/etc/default/kubelet", "kubelet"),
        (b"/etc/rc", "rc"),
        (b"/data/x", ""),
        (b"/home/alice/.\xff/x", "\\xff"),
    ],
)
def test_the_component_that_is_called_after_the_program(path: bytes, name: str) -> None:
    home = b"/home/alice" if path.startswith(b"/home/") else b""
    assert component.shown(component.of_path(path, home)[0]) == name


@pytest.mark.parametrize(
    ("short", "name", "akin"),
    [
        ("nvim", "Neovim", True),
        ("Code", "Visual Studio Code", True),
        ("hass", "Home Assistant", True),
        ("pdns", "PowerDNS", True),
        ("redis-immich", "Redis", True),
        ("freshrss", "Miniflux", False),
        ("kanidm", "Keycloak", False),
        ("blender", "GIMP", False),
        ("cursor", "vscode", False),
        ("albert", "waybar", False),
        ("a", "age", False),
        ("...", "age", False),
    ],
)
def test_spellings_of_one_name(short: str, name: str, akin: bool) -> None:
    assert component.akin(short, name) is akin


def test_a_rule_of_several_programs_names_none_of_them() -> None:
    asked = knowledge(
        'application = "Miniflux"\npaths = ["/var/lib/miniflux/", "/var/lib/freshrss/"]',
        'application = "Tautulli"\npaths = ["/var/lib/plexpy/"]',
        'application = "KDE Plasma"\npaths = ["~/.config/kglobalrc", "~/.config/kwinrc"]',
        'application = "small tools"\npaths = ["~/.config/ncdurc", "~/.config/batrc"]',
    )

    def named(path: bytes) -> str:
        fact = asked.of(path, FileType.FILE)
        assert fact is not None
        return fact.application

    assert named(b"/var/lib/freshrss/config.php") == "freshrss"
    assert named(b"/var/lib/miniflux/x") == "Miniflux"
    assert named(b"/var/lib/plexpy/tautulli.db") == "Tautulli"
    assert named(b"/home/alice/.config/kwinrc") == "KDE Plasma"  # files of a suite are one row
    assert named(b"/home/alice/.config/ncdurc") == "ncdu"


def test_no_category_is_shown_for_a_program_with_a_directory_of_its_own(packaged: Knowledge) -> None:
    for path, name in (
        (b"/home/alice/.config/gajim/x", "gajim"),
        (b"/var/lib/private/mealie/x", "mealie"),
        (b"/home/alice/.config/nheko/x", "nheko"),
    ):
        fact = packaged.of(path, FileType.FILE)
        assert fact is not None and fact.application == name
