"""One unprivileged user does everything in `attacks` at once for two minutes, while root works and asks.

Root asks for the status every five seconds, and writes a file each time, which has to be announced.
`BENCH_SECONDS=20 BENCH_FILES=5000 BENCH_DIRECTORIES=5000` makes a trial of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from . import attacks, ground, service

SECONDS = ground.setting("SECONDS", 120)
EACH = 5.0  # seconds from one status of root's to the next
ATTACKER = 65534  # the bus refuses a user who is in no passwd
FAILED = 999.0  # seconds that count for an answer that is none
PATIENCE = ground.setting("PATIENCE", 120)  # seconds for what is announced late
REPOSITORY = Path(__file__).parent.parent


class Supervised:
    """The daemon, started again when it ends, as systemd does."""

    def __init__(self, directory: Path, config: Path) -> None:
        self._directory, self._config = directory, config
        self._stack = contextlib.ExitStack()
        self.restarts = -1
        self.memory, self.descriptors = 0.0, 0
        self._start()

    def _start(self) -> None:
        self.restarts += 1
        _, self.pid = self._stack.enter_context(service.daemon(self._directory, self._config))

    def look(self) -> None:
        try:
            self.memory = max(self.memory, service.resident(self.pid))
            self.descriptors = max(self.descriptors, service.descriptors(self.pid))
        except (ProcessLookupError, FileNotFoundError):
            self._start()

    def close(self) -> None:
        self._stack.close()


def run() -> Iterator[dict[str, object]]:
    with ground.filesystem("8G") as fs, service.bus(fs.directory) as address:
        fs.directory.chmod(0o755)
        Path(address.partition("path=")[2].partition(",")[0]).chmod(0o777)
        fs.subvolume(".impermanence").chmod(0o700)
        root, config = fs.volume(fs.subvolume("seed"), "root")
        (root / "etc").mkdir()
        with contextlib.closing(Supervised(fs.directory, config)) as daemon:
            news = fs.directory / "news"
            with watched(config, news):
                shared = shmem()
                with besieged(root):
                    canaries, answers, held = stand(daemon, root, config, shared)
                ground.say("the siege is over")
                lost = missing(news, canaries)
            service.until_quiet(daemon.pid)
            after = service.resident(daemon.pid)
            data = f"{SECONDS} s of siege"
            yield figure(f"{data}: root's slowest status", round(max(answers), 1), "s")
            yield figure(f"{data}: root's status, median", round(sorted(answers)[len(answers) // 2], 1), "s")
            failed = answers.count(FAILED)
            yield figure(f"{data}: answers to root that failed", failed, f"of {len(answers)}")
            yield figure(f"{data}: the daemon's highest memory", round(daemon.memory, 1), "MB")
            yield figure(f"{data}: its memory afterwards", round(after, 1), "MB")
            yield figure(f"{data}: highest memory of files that callers hold", round(held), "MB")
            yield figure(f"{data}: the daemon's highest descriptors", daemon.descriptors, "open")
            yield figure(f"{data}: alerts lost", len(lost), f"of {len(canaries)}")
            yield figure(f"{data}: restarts", daemon.restarts, "times")


def stand(
    daemon: Supervised, root: Path, config: Path, shared: float
) -> tuple[list[str], list[float], float]:
    """Root's own doing meanwhile: the names that it wrote, seconds of each status, and MB of files held."""
    canaries: list[str] = []
    answers: list[float] = []
    held, end = 0.0, time.monotonic() + SECONDS
    while (now := time.monotonic()) < end or not answers:
        canaries.append(f"/etc/canary{len(canaries)}")
        (root / canaries[-1][1:]).mkdir()
        (root / canaries[-1][1:] / "file").write_text("x")
        asked = status(config)
        began = now
        while asked.poll() is None or time.monotonic() < min(end, began + EACH):
            daemon.look()
            held = max(held, shmem() - shared)
            if asked.poll() is not None and len(answers) < len(canaries):
                answers.append(time.monotonic() - began if asked.returncode == 0 else FAILED)
            time.sleep(0.1)
        if len(answers) < len(canaries):
            answers.append(time.monotonic() - began if asked.returncode == 0 else FAILED)
        ground.say(f"status: {answers[-1]:.1f} s; {daemon.memory:.1f} MB, {daemon.descriptors} descriptors")
    return canaries, answers, held


def status(config: Path) -> subprocess.Popen[bytes]:
    argv: list[str | Path] = [ground.PROGRAMS / "impermanence", "--config", config, "status", "--json"]
    return subprocess.Popen(argv, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def besieged(root: Path) -> Iterator[None]:
    homes = root / "home"
    homes.mkdir()
    attackers = []
    try:
        for kind in attacks.KINDS:
            home = homes / kind
            home.mkdir()
            os.chown(home, ATTACKER, ATTACKER)
            argv: list[str | Path] = [sys.executable, "-m", "bench.attacks", kind, home]
            attackers.append(subprocess.Popen(
                argv, cwd=REPOSITORY, user=ATTACKER, group=ATTACKER, extra_groups=[],
                stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            ))  # fmt: skip
        yield
    finally:
        for attacker in attackers:
            attacker.send_signal(signal.SIGKILL)
        ended = [attacker.wait() for attacker in attackers]
    early = [kind for kind, code in zip(attacks.KINDS, ended, strict=True) if code != -signal.SIGKILL]
    if early:
        ground.say(f"ended before: {', '.join(early)}")


@contextlib.contextmanager
def watched(config: Path, news: Path) -> Iterator[None]:
    """What is announced to root, line by line in a file."""
    argv: list[str | Path] = [ground.PROGRAMS / "impermanence", "--config", config, "watch", "--json"]
    with open(news, "wb") as out, subprocess.Popen(argv, stdout=out) as watch:
        try:
            yield
        finally:
            watch.terminate()


def missing(news: Path, canaries: list[str]) -> set[str]:
    """The names among these that are not announced, once they had their time."""
    end = time.monotonic() + PATIENCE
    while True:
        lines = news.read_bytes().split(b"\n")[:-1]
        said = {"/".join(json.loads(line).get("path", "").split("/")[:3]) for line in lines}
        if not (lost := set(canaries) - said) or time.monotonic() > end:
            return lost
        time.sleep(1)


def shmem() -> float:
    """MB of all files in memory of the machine."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Shmem:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise LookupError("Shmem")


def figure(data: str, ours: float, unit: str) -> dict[str, object]:
    return {"data": data, "ours": ours, "peer": None, "theirs": None, "ratio": None, "unit": unit}
