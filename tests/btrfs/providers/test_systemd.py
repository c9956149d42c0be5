"""What systemd's tools make at each boot: tmpfiles.d and sysusers.d."""

from __future__ import annotations

import subprocess

import pytest

from impermanenced.report.providers import tmpfiles
from tests.conftest import sh

from .machine import System


def test_what_tmpfiles_makes(system: System) -> None:
    (system.seed / "usr/lib/tmpfiles.d").mkdir(parents=True)
    (system.seed / "usr/share/factory/etc/skel").mkdir(parents=True)
    (system.seed / "usr/share/factory/etc/skel/in").write_text("in\n")
    (system.seed / "usr/share/factory/etc/issue").write_text("welcome\n")
    (system.seed / "usr/lib/tmpfiles.d/all.conf").write_text(
        "d /var/lib/made 0755 root root -\n"
        "L /etc/link - - - - ../proc/self/mounts\n"
        "f /etc/content 0644 - - - one\\ntwo\\n\n"
        "f+ '/etc/quoted name' - - - -\n"
        "C /etc/issue\n"
        "C /etc/skel\n"
        "p /var/lib/pipe\n"
        "f %t/x - - - -\n"
        "f /var/lib/%b - - - -\n"
        "d /var/lib/overridden\n"
        "d $$nonsense \n\n  # comment\nz /var/lib - - - -\n"
    )
    (system.seed / "etc/tmpfiles.d").mkdir(parents=True)
    (system.seed / "var/lib").mkdir(parents=True)
    (system.seed / "etc/tmpfiles.d/00-first.conf").write_text("f /var/lib/overridden\n")
    root = system.begin()
    # It complains of the nonsense, and does the rest.
    subprocess.run(["systemd-tmpfiles", "--create", f"--root={root}"], check=False, capture_output=True)
    (root / "var/lib/made/by-somebody").write_text("x")
    (root / "etc/skel/more").write_text("x")
    found = system.judge_tmpfiles()
    for path in ("/var/lib/made", "/etc/link", "/etc/content", "/etc/quoted name", "/etc/issue", "/etc/skel",
                 "/etc/skel/in", "/var/lib/pipe", "/var/lib/overridden"):  # fmt: skip
        assert found[path] is not None, path
    assert found["/etc/content"] == "made by tmpfiles.d: f /etc/content"
    assert found["/var/lib/made/by-somebody"] is None
    assert found["/etc/skel/more"] is None
    (root / "etc/content").write_text("one\nTWO\n")
    (root / "etc/issue").write_text("WELCOME\n")
    (root / "etc/link").unlink()
    (root / "etc/link").symlink_to("elsewhere")
    found = system.judge_tmpfiles()
    assert found["/etc/content"] is found["/etc/issue"] is found["/etc/link"] is None


def test_accounts_of_sysusers(system: System) -> None:
    (system.seed / "usr/lib/sysusers.d").mkdir(parents=True)
    (system.seed / "usr/lib/sysusers.d/a.conf").write_text(
        'u svc - "A service" /var/lib/svc\ng extra -\nm svc extra\n'
    )
    (system.seed / "etc").mkdir()
    (system.seed / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (system.seed / "etc/group").write_text("root:x:0:\n")
    root = system.begin()
    sh("systemd-sysusers", f"--root={root}")
    assert "svc" in (root / "etc/passwd").read_text()
    assert system.judge_sysusers()["/etc/passwd"] == "differs by the accounts that sysusers.d makes"
    assert system.judge_sysusers()["/etc/group"] == "differs by the accounts that sysusers.d makes"
    with open(root / "etc/passwd", "a") as stream:
        stream.write("alice:x:1000:1000::/home/alice:/bin/sh\n")
    assert system.judge_sysusers()["/etc/passwd"] is None


def test_without_the_tools_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert tmpfiles.ask(b"/").faults == ["systemd-tmpfiles: not found"]
    assert tmpfiles.ask_sysusers(b"/").faults == ["systemd-sysusers: not found"]
