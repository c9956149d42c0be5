"""Words to options, documents to text: exact outputs at 80 columns with a fixed clock."""

import copy
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impermanenced.cli import main, output, pager, paths, rows, wording
from impermanenced.cli.commands import COMMANDS, diff, explain, setup, status
from impermanenced.cli.parse import Parsed, parse
from impermanenced.cli.verb import Shared
from impermanenced.errors import UsageError
from impermanenced.text import size_to_text

from ..conftest import calls

DOCS = Path(__file__).parents[2] / "docs"
NOW = 1_763_900_000.0  # 2025-11-23 12:13:20 UTC
PLAIN = output.Style(color=False)
STATUS = status.Options()


def at(seconds_ago: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(NOW - seconds_ago))


def writer(unit: str, exe: str = "/usr/bin/x", uid: int | None = 0, ago: float = 240) -> dict[str, Any]:
    name = exe.rpartition("/")[2]
    return {"unit": unit, "exe": exe, "comm": name, "pid": 812, "uid": uid, "first": at(ago), "last": at(ago)}


def entry(path: str, **fields: Any) -> dict[str, Any]:
    return {
        "volume": "root",
        "path": path,
        "type": "file",
        "change": "created",
        "size": 0,
        "uid": 0,
        "mode": "0644",
        "mtime": at(3600),
        "letters": "+......",
        "verdict": "crud",
        "loss": None,
        "rule": "nothing declares it",
        "writer": None,
        **fields,
    }


def document(*entries: dict[str, Any], **fields: Any) -> dict[str, Any]:
    volume = {"name": "root", "mountpoint": "/", "path": "/", "subvolume": "root", "blank": "root-blank"}
    return {
        "version": 1,
        "complete": True,
        "watching_since": None,
        "overflows": 0,
        "volumes": [volume],
        "entries": list(entries),
        **fields,
    }


BUSY = document(
    entry("/etc/cups/printers.conf", change="modified", size=1228, writer=writer("cups.service", ago=10_800)),
    entry("/etc/machine-id", verdict="persisted", rule="mount point of /dev/vda[/persist/etc] (btrfs)"),
    entry("/etc/motd", change="deleted", size=100),
    entry("/etc/ssh/ssh_host_ed25519_key", size=411, writer=writer("sshd-keygen.service", ago=30)),
    entry("/etc/ssh/ssh_host_rsa_key", size=2602, writer=writer("sshd-keygen.service", ago=31)),
    entry("/home/alice", type="directory", mode="0700"),
    entry("/home/alice/n", type="directory"),
    entry("/home/alice/n/a.md", size=40_000, writer=writer("session-3.scope", "/usr/bin/nvim", ago=720)),
    entry("/home/alice/n/b.md", size=1_984, writer=writer("session-3.scope", "/usr/bin/nvim", ago=900)),
    entry("/srv/empty", type="directory"),
    entry("/tmp/x", verdict="ignored", rule="ignored by the pattern /tmp/"),
    entry("/tmp/y", verdict="ignored", rule="ignored by the pattern /tmp/"),
    entry("/var/lib/machines", type="subvolume"),
    entry("/var/lib/sonarr", type="directory"),
    *(
        entry(f"/var/lib/sonarr/{number}.db", size=3_318_000, writer=writer("sonarr.service"))
        for number in range(12)
    ),
    entry("/var/log/journal", type="directory", verdict="declared", rule="declared by config.toml, here"),
    watching_since=at(10_760),
)


# Parse


@pytest.mark.parametrize(
    ("argv", "parsed"),
    [
        (["status"], Parsed("status", status.Options())),
        (
            ["status", "--json", "--all", "--exit-code"],
            Parsed("status", status.Options(all=True, exit_code=True), Shared(json=True)),
        ),
        (["--config", "f", "status"], Parsed("status", status.Options(), Shared(config=b"f"))),
        (["status", "--config", "f"], Parsed("status", status.Options(), Shared(config=b"f"))),
        (
            ["--config=f", "status", "--no-pager"],
            Parsed("status", status.Options(), Shared(config=b"f", pager=False)),
        ),
        (["--json", "status"], Parsed("status", status.Options(), Shared(json=True))),
        (["--by", "unit", "status"], Parsed("status", status.Options(view="unit"))),
        (["--config", "status", "diff"], Parsed("diff", diff.Options(), Shared(config=b"status"))),
        (["--color", "never", "diff", "/a"], Parsed("diff", diff.Options(b"/a"), Shared(color="never"))),
        (["diff", "--json"], Parsed("diff", diff.Options(), Shared(json=True))),
        (["explain", "a b"], Parsed("explain", explain.Options(b"a b"))),
        (["explain", "--", "-x"], Parsed("explain", explain.Options(b"-x"))),
        (["explain", os.fsdecode(b"\xff")], Parsed("explain", explain.Options(b"\xff"))),
        (["setup", "--dry-run"], Parsed("setup", setup.Options(dry_run=True))),
    ],
)
def test_parse(argv: list[str], parsed: Parsed) -> None:
    assert parse(argv) == parsed


@pytest.mark.parametrize(
    ("argv", "message", "hint"),
    [
        ([], "no command", "status"),
        (["statsu"], "there is no command statsu", 'did you mean "status"?'),
        (["--json", "statsu"], "there is no command statsu", 'did you mean "status"?'),
        (["statsu", "diff"], "there is no command statsu", 'did you mean "status"?'),
        (["--no-pager", "statsu", "diff"], "there is no command statsu", 'did you mean "status"?'),
        (["frobnicate"], "there is no command", "one of status, explain, diff"),
        (["status", "--jsn"], "--jsn", "impermanence status --help"),
        (["status", "--js"], "--js", ""),  # options are not guessed: scripts would break with the next one
        (["status", "/a"], "/a", ""),
        (["explain"], "no path", "impermanence explain PATH"),
        (["explain", ""], "an empty path", ""),
        (["diff", "a", "b"], "b", ""),
        (["--config"], "expected one argument", ""),
        (["--config", "", "status"], "an empty path", ""),
        (["status", "--color", "blue"], "blue", ""),
    ],
)
def test_parse_refuses(argv: list[str], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(argv)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    "argv", [["-h"], ["--help"], ["status", "-h"], ["-h", "explain"], ["explain", "--help"]]
)
def test_help(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(argv) == 0
    assert "usage: impermanence" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["status", "--version"]) == 0
    assert capsys.readouterr().out.startswith("impermanence 0.")


# Show


def test_status() -> None:
    public = status.document(BUSY, all_verdicts=False)
    assert (
        status.text(public, STATUS, columns=80, now=NOW, style=PLAIN)
        == """\
7 things will be lost at the next boot (38.0 MiB).

  /var/lib/sonarr/               12 files  38.0 MiB  sonarr.service, 4 min ago
  /home/alice/                    2 files  41.0 KiB  nvim (root), 12 min ago
  /etc/ssh/…_{ed25519,rsa}_key    2 files   2.9 KiB  sshd-keyg…service, just now
  /etc/cups/printers.conf         changed   1.2 KiB  cups.service, 3 h ago
  /etc/motd                       deleted            1 h ago
  /srv/empty/                       empty            1 h ago
  /var/lib/machines/            subvolume            1 h ago

  not counted: 1 persisted, 1 declared, 2 ignored by you (--all shows them)
  writers known since 09:14, complete.

Why, and what keeps it:  impermanence explain PATH    Files:  impermanence diff
"""
    )


def test_status_with_nothing_to_lose() -> None:
    public = status.document(document(), all_verdicts=False)
    assert (
        status.text(public, STATUS, columns=80, now=NOW, style=PLAIN)
        == """\
nothing will be lost at the next boot.

  nobody watches: writers unknown (systemctl start impermanenced)

Every difference:  impermanence diff
"""
    )


def test_a_trial_loses_nothing() -> None:
    for entries, start in ((), "nothing"), ((entry("/a"),), "1 thing"):
        public = status.document(document(*entries), all_verdicts=False)
        text = status.text(public, STATUS, columns=80, now=NOW, style=PLAIN, trial=True)
        assert text.startswith(
            f"{start} would be lost at the next boot, were this not a trial (rollback.wipe is"
        )


def test_status_of_everything() -> None:
    public = status.document(BUSY, all_verdicts=True)
    text = status.text(public, STATUS, columns=80, now=NOW, style=PLAIN)
    assert (
        """
  persisted:
    /etc/machine-id  mount point of /dev/vda[/persist/etc] (btrfs)

  declared:
    /var/log/journal  declared by config.toml, here

  ignored by you:
    /tmp/x  ignored by the pattern /tmp/
    /tmp/y  ignored by the pattern /tmp/

  writers known"""
        in text
    )
    assert "not counted" not in text


def test_status_says_what_it_does_not_know() -> None:
    said = document(watching_since=at(100_000), overflows=2, complete=False)
    public = status.document(said, all_verdicts=False)
    text = status.text(public, STATUS, columns=80, now=NOW, style=PLAIN)
    assert "  writers known since 2025-11-22 08:26; 2 overflows.\n" in text
    gap = [at(90_000), at(80_000)]
    public = status.document(document(watching_since=at(100_000), gaps=[gap, gap]), all_verdicts=False)
    assert public["gaps"] == [gap, gap]
    gaps = status.text(public, STATUS, columns=80, now=NOW, style=PLAIN)
    assert "; 2 gaps, the last one until 2025-11-22 14:00.\n" in gaps
    assert "  not complete: a part could not be read\n" in text
    assert text.startswith("nothing that you may see will be lost at the next boot.\n")
    public = status.document(document(entry("/a"), complete=False), all_verdicts=False)
    text = status.text(public, STATUS, columns=80, now=NOW, style=PLAIN)
    assert text.startswith("at least 1 thing will be lost at the next boot (0 B).\n")
    mine = document(entry("/a"), complete=False, others={"entries": 12, "bytes": 4096})
    public = status.document(mine, all_verdicts=False)
    assert public["others"] == {"entries": 12, "bytes": 4096}
    text = status.text(public, STATUS, columns=80, now=NOW, style=PLAIN)
    assert "  not shown: 12 differences of other users, 4.0 KiB (root sees all)\n" in text


def test_loss_classes_have_a_column_when_there_are_any() -> None:
    public = status.document(document(entry("/a", loss="secret", size=1), entry("/b/c")), all_verdicts=False)
    text = status.text(public, STATUS, columns=80, now=NOW, style=PLAIN)
    assert "\n  secret  /a    1 file  1 B  1 h ago\n" in text
    assert "\n          /b/c  1 file       1 h ago\n" in text


@pytest.mark.parametrize("columns", [0, 40, 60, 80, 132, 400])
def test_rows_fit_the_terminal(columns: int) -> None:
    path = "/" + "/".join(["a-rather-long-name", "日本語のファイル名", "x" * 200])
    entries = [
        entry(path, size=2**50, writer=writer("a-service-with-quite-a-long-name@instance.service")),
        entry("/short"),
    ]
    public = status.document(document(*entries), all_verdicts=False)
    text = status.text(public, STATUS, columns=columns, now=NOW, style=PLAIN)
    table = text.split("\n\n")[1].splitlines()
    assert all(wording.width(line) <= max(columns, status.MIN_WIDTH) for line in table), table
    assert table[0].startswith("  /a-rat")
    assert table[0].endswith("4 min ago")


def test_colour_only_marks_what_the_words_say() -> None:
    public = status.document(BUSY, all_verdicts=False)
    coloured = status.text(public, STATUS, columns=80, now=NOW, style=output.Style(color=True))
    assert "\x1b[1m7 things" in coloured
    plain = coloured.replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "")
    assert plain == status.text(public, STATUS, columns=80, now=NOW, style=PLAIN)


def test_diff() -> None:
    found = diff.document(BUSY, b"/etc/ssh")
    assert (
        "".join(diff.lines(found))
        == "+...... /etc/ssh/ssh_host_ed25519_key\n+...... /etc/ssh/ssh_host_rsa_key\n"
    )
    assert list(diff.lines(diff.document(BUSY, b"/etc/ss"))) == []  # whole components
    assert len(list(diff.lines(diff.document(BUSY, b"/")))) == len(BUSY["entries"])


def explained(found: dict[str, Any], path: bytes, cwd: bytes = b"/") -> tuple[str, int]:
    explanation = explain.look_up(found, path, cwd)
    text = explain.text(explanation, persist="/persist", config="/c.toml", now=NOW, style=PLAIN)
    return text, explanation.exit_code


def test_explain() -> None:
    assert explained(BUSY, b"/var/lib/sonarr/3.db") == (
        """\
/var/lib/sonarr/3.db   created, last modified 1 h ago, 3.2 MiB, root 0644
  verdict  crud
  because  nothing declares it
  written  by sonarr.service (x, pid 812, uid root), at 12:09:20
  keep it  add it to files below [persist."/persist"] in /c.toml
""",
        0,
    )
    assert (
        explained(BUSY, b"log/../log/journal/", b"/var")[0]
        == """\
/var/log/journal   directory, created, last modified 1 h ago, root 0644
  verdict  declared
  because  declared by config.toml, here
  written  by nobody that is known: it was not watched, or the event was lost
"""
    )
    assert "deleted, the blank's is of 1 h ago" in explained(BUSY, b"/etc/motd")[0]


def test_advice_fits_the_loss() -> None:
    found = document(
        entry("/var/log/x", rule="hidden under the mount of tmpfs at /var/log", hidden=True),
        entry("/etc/motd", change="deleted"),
        entry("/srv/d", type="directory"),
    )
    assert "keep it  copy it to what is mounted there" in explained(found, b"/var/log/x")[0]
    assert "keep it  the next boot brings it back" in explained(found, b"/etc/motd")[0]
    assert "keep it  add it to directories below" in explained(found, b"/srv/d")[0]


def test_explain_what_is_no_drift(tmp_path: Path) -> None:
    assert explained(BUSY, b"/no/such/path") == (
        "/no/such/path does not exist, and is not in the blank either\n",
        1,
    )
    text, code = explained(BUSY, b"/proc/self")
    assert (text.partition(" which")[0], code) == ("/proc/self is on another mount,", 0)
    inside = os.fsencode(tmp_path)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/same").touch()
    foreign = {**BUSY, "volumes": [{**BUSY["volumes"][0], "mountpoint": str(tmp_path)}]}
    mount = explain._mount_at(inside)
    assert mount is not None
    assert paths.location(foreign, b"/etc/same") == inside + b"/etc/same"
    assert paths.meant(foreign, inside + b"/etc/same", b"/") == b"/etc/same"
    assert paths.meant(foreign, b"same", inside + b"/etc") == b"/etc/same"
    assert paths.meant(foreign, b"/etc/motd", b"/") == b"/etc/motd"


def test_paths_in_their_escaped_form_are_understood() -> None:
    found = document(entry(r"/a\x0ab"), entry(r"/c\x5cd"))
    assert paths.meant(found, b"/a\nb", b"/") == b"/a\nb"
    assert paths.meant(found, rb"/a\x0ab", b"/") == b"/a\nb"
    assert paths.meant(found, rb"/c\d", b"/") == rb"/c\d"
    assert paths.meant(found, rb"/c\x5cd", b"/") == rb"/c\d"
    assert paths.meant(found, b"//a\nb", b"/") == b"/a\nb"


def test_a_path_below_a_symlinked_directory(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real/dangling").symlink_to("nowhere")
    found = document(entry(f"{tmp_path}/real/dangling", type="symlink"))
    asked = os.fsencode(tmp_path / "link/dangling")
    assert paths.meant(found, asked, b"/") == os.fsencode(tmp_path / "real/dangling")


# The documents


def test_status_json_has_the_documented_keys() -> None:
    public = status.document(BUSY, all_verdicts=False)
    assert list(public) == [
        "version", "complete", "watching_since", "overflows", "volumes", "counts", "caches", "entries"
    ]  # fmt: skip
    assert set(public["volumes"][0]) == {"name", "mountpoint", "subvolume", "blank"}
    assert public["counts"] == {"persisted": 1, "declared": 1, "regenerated": 0, "ignored": 2, "crud": 23}
    assert len(public["entries"]) == 23
    assert all("letters" not in one for one in public["entries"])
    everything = status.document(BUSY, all_verdicts=True)
    assert everything["counts"] == public["counts"]
    assert len(everything["entries"]) == 27


def test_diff_json_has_letters() -> None:
    found = diff.document(BUSY, None)
    assert found["version"] == 1
    assert all(one["letters"] for one in found["entries"])


def test_the_whole_document_is_left_as_it_was() -> None:
    before = copy.deepcopy(BUSY)
    status.document(BUSY, all_verdicts=False)
    diff.document(BUSY, b"/etc")
    list(rows.rows(BUSY["entries"]))
    assert before == BUSY


def test_work_grows_with_the_entries_and_no_faster() -> None:
    def report(count: int) -> None:
        one = entry("/a")
        many = document(*({**one, "path": f"/srv/{n % 10}/{n % 50}/{n}"} for n in range(count)))
        found = status.document(many, all_verdicts=False)
        json.dumps(found)
        status.text(found, STATUS, columns=80, now=NOW, style=PLAIN)

    assert calls(lambda: report(8000)) < 2.1 * calls(lambda: report(4000))


# Rows


def test_a_created_directory_stands_for_what_is_in_it() -> None:
    found = rows.rows(
        [
            entry("/a", type="directory"),
            entry("/a/b", type="directory"),
            entry("/a/b/c", size=5, writer=writer("x.service")),
            entry("/a/d", size=5, writer=writer("y.service")),
            entry("/a/e", size=5, writer=writer("x.service")),
            entry("/ab", size=1),
        ]
    )
    assert [(row.path, row.what, row.size, row.who) for row in found] == [
        ("/a/", "3 files", 15, "x.service and 1 other"),
        ("/ab", "1 file", 1, ""),
    ]


def test_lone_files_of_one_directory_are_one_row_a_writer() -> None:
    found = rows.rows(
        [
            entry("/etc/a", size=3, writer=writer("x.service")),
            entry("/etc/b", size=3, writer=writer("x.service")),
            entry("/etc/c", size=2, writer=writer("y.service")),
            entry("/etc/d", change="deleted", size=99),
            entry("/etc/e", change="deleted", size=99),
        ]
    )
    assert [(row.path, row.what, row.size) for row in found] == [
        ("/etc/{a,b}", "2 files", 6),
        ("/etc/c", "1 file", 2),
        ("/etc/{d,e}", "2 deleted", 0),
    ]


def test_what_somebody_asked_for_stands_before_what_came_with_it() -> None:
    def part(package: str, kind: str) -> dict[str, Any]:
        return entry(f"/usr/{package}", package=package, advice=[{"kind": kind, "argument": package}])

    brought = [part(name, "with-package") for name in ("liba", "libb", "libc")]
    (row,) = rows.rows([*brought, part("nginx", "declare-package"), part("dpkg", "declare-package")])
    assert (row.path, row.loss) == ("nginx, liba, libb, libc", "packages")


def test_directories_that_lead_to_another_row_are_none() -> None:
    found = rows.rows(
        [
            entry("/home/a/code", type="directory", group="/home/a/code"),
            entry("/home/a/code/notes", type="directory", group="/home/a/code/notes"),
            entry("/home/a/code/notes/plan", group="/home/a/code/notes"),
            entry("/home/a/empty", type="directory", group="/home/a/empty"),
        ]
    )
    assert [(row.path, row.what) for row in found] == [
        ("/home/a/code/notes/", "1 file"),
        ("/home/a/empty/", "empty"),
    ]


def test_a_nested_subvolume_is_a_row_of_its_own() -> None:
    found = rows.rows([entry("/a", type="directory"), entry("/a/b"), entry("/a/s", type="subvolume")])
    assert [(row.path, row.what) for row in found] == [("/a/", "1 file"), ("/a/s/", "subvolume")]


def test_volumes_do_not_mix() -> None:
    found = rows.rows(
        [entry("/a", type="directory"), entry("/a/b", volume="home"), entry("/a/c", volume="home")]
    )
    assert [row.what for row in found] == ["empty", "2 files"]


# Words


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1_048_575, "1.0 MiB"),
        (1_048_576, "1.0 MiB"),
        (2**63, "8.0 EiB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert size_to_text(count) == text


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (-1e9, "in the future"),
        (-5, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (3600, "1 h ago"),
        (86_400, "1 day ago"),
        (86_400 * 400, "400 days ago"),
        (NOW, "55 years ago"),
    ],
)
def test_ages(passed: float, text: str) -> None:
    assert wording.age(NOW - passed, NOW) == text


@hypothesis.settings(deadline=None)
@given(st.text(), st.integers(1, 50))
def test_shortened_text_fits(text: str, columns: int) -> None:
    short = wording.shorten(text, columns)
    assert wording.width(short) <= columns
    assert short == text or "…" in short


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (writer("cups.service"), "cups.service"),
        (writer("session-3.scope", "/usr/bin/nvim", 0), "nvim (root)"),
        (writer("user@1000.service", "/usr/bin/fish", 4_000_000), "fish (4000000)"),
        (writer("", "", 0), "root"),
        (writer("", "/bin/x", None), "x"),
        (None, ""),
    ],
)
def test_writers(fields: dict[str, Any] | None, text: str) -> None:
    assert wording.writer(fields) == text


# The way out


def run(*argv: str, stdout: Any = subprocess.PIPE, **environment: str) -> subprocess.CompletedProcess[str]:
    script = "import sys; from impermanenced.cli.main import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", script, *argv],
        check=False,
        text=True,
        encoding="utf-8",
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
        timeout=60,
    )


def test_a_fault_is_one_line_and_a_hint() -> None:
    result = run("stat\x1b[31mus")
    assert (result.returncode, result.stdout) == (2, "")
    assert (
        result.stderr == 'impermanence: there is no command stat\\x1b[31mus\nhint: did you mean "status"?\n'
    )


def test_a_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    result = run("status", "--config", str(tmp_path / "none.toml"))
    assert result.returncode == 2
    assert "none.toml: no such configuration file" in result.stderr


def test_a_full_disk_is_an_error() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        result = run("--help", stdout=full)
    assert result.returncode == 1
    assert result.stderr == "impermanence: No space left on device\n"


def test_a_reader_that_had_enough_is_none() -> None:
    read, write = os.pipe()
    os.close(read)
    with open(write, "w", encoding="utf-8") as broken:
        result = run("--help", stdout=broken)
    assert (result.returncode, result.stderr) == (141, "")


def test_a_closed_standard_output_is_none() -> None:
    program = "import sys; from impermanenced.cli.main import main; sys.exit(main())"
    script = f"exec {sys.executable} -c '{program}' -h >&-"
    assert subprocess.run(["sh", "-c", script], check=False, stderr=subprocess.PIPE).returncode == 0


def test_a_poor_locale_loses_nothing() -> None:
    assert run("status…", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0").returncode == 2


def test_the_command_loads_no_bus_and_no_heavy_library() -> None:
    heavy = ["gi", "pydbus", "structlog", "watchdog", "subprocess", "asyncio", "rich"]
    script = (
        "import sys; import impermanenced.cli.main, impermanenced.report.report; "
        f"from impermanenced.cli.commands import diff, explain, status; loaded = [name for name in {heavy}"
        " if type(sys.modules.get(name)) is type(sys)]; sys.exit(', '.join(loaded) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_pager_of_root_by_sudo_is_a_safe_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGER", "sh -c 'touch /tmp/owned'")
    monkeypatch.setenv("LESSOPEN", "|evil %s")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_UID", "1000")
    argv, environment = pager.command()
    assert argv == ["less"]
    assert environment["LESSSECURE"] == "1"
    monkeypatch.delenv("SUDO_UID")
    assert pager.command()[0] == ["sh", "-c", "touch /tmp/owned"]
    monkeypatch.setenv("PAGER", "'")
    with pytest.raises(UsageError):
        pager.command()


# The pages


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.scd")), ids=lambda page: page.name)
def test_man_pages_build(page: Path) -> None:
    built = subprocess.run(["scdoc"], input=page.read_bytes(), capture_output=True, check=False)
    assert built.returncode == 0, built.stderr.decode()
    checked = subprocess.run(
        ["man", "--warnings", "--local-file", "-"], input=built.stdout, capture_output=True, check=False
    )
    assert checked.stderr == b""


def test_the_man_page_names_every_command_option_and_exit_code() -> None:
    page = (DOCS / "impermanence.1.scd").read_text()
    wanted = [*COMMANDS, "--json", "--all", "--exit-code", "--dry-run", "--config", "--color", "--no-pager"]
    for word in [*wanted, *(f"*{code}*" for code in (0, 1, 2, 3, 4, 5, 130, 141))]:
        assert word in page
    for key in (
        "version",
        "complete",
        "watching_since",
        "overflows",
        "volumes",
        "counts",
        "entries",
        "letters",
    ):
        assert f"*{key}*" in page


@pytest.mark.parametrize(
    ("exe", "comm", "shown"),
    [
        ("/usr/bin/systemd-hostnamed", "systemd-hostnam", "systemd-hostnamed"),
        ("/usr/bin/dash", "photo-import", "photo-import"),
        ("/usr/bin/python3.11", "sonarr", "sonarr"),
        ("", "gone", "gone"),
        ("/usr/bin/cp", "", "cp"),
        ("", "", ""),
    ],
)
def test_a_program_is_called_what_ps_calls_it(exe: str, comm: str, shown: str) -> None:
    assert wording.program_of({"exe": exe, "comm": comm}) == shown
