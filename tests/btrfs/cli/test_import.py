"""`import`: the bind mounts of a machine, and the drop-in that is written for them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from impermanenced.keep import mounted
from impermanenced.kernel import mounts
from tests import chroot

from ..keep_machine import bind, persist_volume
from .machine import System


@pytest.fixture
def persist(system: System) -> Path:
    persist = persist_volume(system)
    for directory in ("var/log", "srv/data", "etc", "other"):
        (persist / directory).mkdir(parents=True)
    (persist / "etc/machine-id").write_text("0\n")
    for path in ("var/log", "etc/machine-id"):
        bind(system, persist / path, path)
    bind(system, persist / "other", "opt/elsewhere")
    (system.root / "etc/fstab").write_text(
        "/persist/srv/data /srv/data none defaults,bind 0 0\n"
        "/persist/var/log /var/log none bind 0 0\n"
        "UUID=x / btrfs subvol=root 0 0\n"
        "/persist/sp\\040ace /home/sp\\040ace none rbind 0 0\n"
    )
    return persist


def test_bind_mounts_and_fstab(system: System, persist: Path) -> None:
    root = os.fsencode(system.root)
    found = {one.path: one for one in mounted.find(root, mounts.read())}
    assert {path: one.store for path, one in found.items()} == {
        b"/srv/data": b"/persist",
        b"/var/log": b"/persist",
        b"/home/sp ace": None,
        b"/etc/machine-id": b"/persist",
    }
    assert found[b"/srv/data"].by == "/etc/fstab:1"
    kinds = {path: mounted.placement_of(one, root) for path, one in found.items()}
    machine_id, log = kinds[b"/etc/machine-id"], kinds[b"/var/log"]
    assert machine_id is not None and not machine_id.declaration.directory
    assert log is not None and log.declaration.directory
    assert kinds[b"/home/sp ace"] is None


def test_the_drop_in_and_what_is_there_already(system: System, persist: Path) -> None:
    here = system.config.parent
    (system.root / "etc/impermanence").mkdir()
    config = '[persist."/persist"]\ndirectories = ["/srv/x"]\n'
    (system.root / "etc/impermanence/config.toml").write_text(config)
    document = {"/persist": {"directories": ["/srv/x", "/var/lib/y"], "files": [{"file": "/etc/z"}]}}
    (system.root / "tmp/x.json").write_text(json.dumps(document))
    place = system.root / "etc/impermanence/config.d/40-imported.toml"
    tried = chroot.command(system.root, here, "", "import", "--dry-run", "/tmp/x.json")
    assert (tried.returncode, tried.stderr) == (0, "") and not place.exists()
    assert '"/var/lib/y"' in tried.stdout and "/srv/x" not in tried.stdout
    done = chroot.command(system.root, here, "", "import", "/tmp/x.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("2 declarations in /etc/impermanence/config.d/40-imported.toml")
    assert place.read_text() == tried.stdout
    again = chroot.command(system.root, here, "", "import", "/tmp/x.json")
    assert again.stdout == "nothing to import: everything is declared already\n"
    (system.root / "tmp/x.json").write_text('{"/persist": {"directories": ["/srv/x/inner"]}}')
    refused = chroot.command(system.root, here, "", "import", "/tmp/x.json")
    assert refused.returncode == 1 and "is inside" in refused.stderr
    (system.root / "tmp/x.json").write_text('{"/persist": {"directories": ["/srv/new"]}}')
    refused = chroot.command(system.root, here, "", "import", "/tmp/x.json")
    assert refused.returncode == 1 and "40-imported.toml is there already" in refused.stderr
    assert "--config names another" in system.refused(2, "import", "/tmp/x.json")
