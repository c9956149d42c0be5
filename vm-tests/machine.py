"""A virtual machine for a test: QEMU without KVM, a console log, and a port on which the guest reports.

Nothing here sleeps: the host waits for a line, an exit or a deadline, whichever comes first.
A guest that reboots ends its QEMU; the test starts it again, with the disks as they are.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# On a busy host the timer of an emulated machine is late for the kernel's own test of it (no_timer_check),
# and the devices are late for systemd, which gives them 90 s.
COMMAND_LINE = (
    "console=ttyS0 mitigations=off nokaslr no_timer_check quiet audit=0 random.trust_cpu=1 "
    "systemd.show_status=0 panic=-1 "
    "systemd.default_device_timeout_sec=280 systemd.default_timeout_start_sec=280"
)
# /dev/virtio-ports/agent where udev runs; elsewhere the name is in /sys/class/virtio-ports/*/name.
AGENT_PORT = "agent"
running: set[Machine] = set()


class MachineError(AssertionError):
    """The guest did not do what was expected in time; the text ends with what the console said last."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A virtio disk: /dev/vda, /dev/vdb … in the order given."""

    path: Path
    format: str = "raw"
    # unsafe: flushes are not waited for, yet what QEMU wrote is in the host's page cache and survives
    # a kill of QEMU.  A test of the order of writes itself wants "directsync" or a log of writes.
    cache: str = "unsafe"
    log: Path | None = None  # where each of its writes and flushes is kept, see write_log

    def drive(self) -> str:
        """What QEMU calls it."""
        if self.log is None:
            return f"if=virtio,file={self.path},format={self.format},cache={self.cache}"
        # Flushes reach the log, so it is not `unsafe`; they need not reach the host's disk.
        self.log.touch()
        words = f"file.driver={self.format},file.cache.no-flush=on,file.file.filename={self.path}"
        words += f",log.driver=raw,log.cache.no-flush=on,log.file.filename={self.log}"
        return f"if=virtio,driver=blklogwrites,cache=writeback,{words}"


def overlay(base: Path, path: Path, *, format: str = "raw") -> Disk:
    """A disk that begins as `base` and writes to `path` alone."""
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", format, "-b", os.fspath(base), os.fspath(path)]
    subprocess.run(argv, check=True, capture_output=True)
    return Disk(path, "qcow2")


class Machine:
    def __init__(
        self,
        directory: Path,
        *,
        kernel: Path,
        initrd: Path | None = None,
        append: str = "",
        disks: Sequence[Disk] = (),
        memory: int = 768,
        cpus: int = 2,
        counted: int | None = None,
        extra: Sequence[str] = (),
    ) -> None:
        self.directory = directory
        self.kernel = kernel
        self.initrd = initrd
        self.append = append
        self.disks = tuple(disks)
        self.memory = memory
        self.cpus = cpus
        # Each instruction takes 2**counted nanoseconds of the guest's clock, however busy the host is.
        self.counted = counted
        self.extra = tuple(extra)
        self.console = directory / "console.log"  # of all boots, one after the other
        self.process: subprocess.Popen[bytes] | None = None
        self._buffer = b""

    def start(self, *, append: str | None = None, restore: Path | None = None) -> None:
        """Power on.  `append` replaces the test's own part of the kernel line for this boot."""
        assert self.process is None, "it is on already"
        self.directory.mkdir(parents=True, exist_ok=True)
        self.agent, agent = socket.socketpair()
        self.monitor, monitor = socket.socketpair()
        line = f"{COMMAND_LINE} {self.append if append is None else append}"
        argv = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
        threads = "multi" if self.counted is None else "single"  # instructions are counted in one
        argv += ["-machine", "q35", "-accel", f"tcg,thread={threads},tb-size=512", "-cpu", "max"]
        if self.counted is not None:
            argv += ["-icount", f"shift={self.counted},sleep=on"]
        argv += ["-smp", str(self.cpus), "-m", str(self.memory), "-device", "virtio-rng-pci"]
        argv += ["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]
        argv += ["-chardev", f"socket,id=agent,fd={agent.fileno()}", "-device", "virtio-serial-pci"]
        argv += ["-device", f"virtserialport,chardev=agent,name={AGENT_PORT}"]
        argv += ["-chardev", f"socket,id=monitor,fd={monitor.fileno()}", "-mon", "monitor,mode=control"]
        argv += ["-kernel", os.fspath(self.kernel), "-append", line.strip()]
        if self.initrd is not None:
            argv += ["-initrd", os.fspath(self.initrd)]
        for disk in self.disks:
            argv += ["-drive", disk.drive()]
        if restore is not None:
            argv += ["-incoming", f"exec:cat {restore}"]
        argv += self.extra
        with open(self.directory / "qemu.log", "ab") as log, open(self.console, "ab") as console:
            self._seen = console.tell()
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=console,
                stderr=log,
                pass_fds=[agent.fileno(), monitor.fileno()],
            )
        agent.close()
        monitor.close()
        self._pidfd = os.pidfd_open(self.process.pid)
        self._buffer = self._monitor_buffer = b""
        running.add(self)
        self._message(time.monotonic() + 20)  # the greeting
        self.qmp("qmp_capabilities")
        if restore is not None:
            self._until(lambda: self.qmp("query-status")["status"] != "inmigrate", "restoring")
            self.qmp("cont")

    @property
    def pid(self) -> int:
        assert self.process is not None, "it is off"
        return self.process.pid

    # What the guest says

    def report(self, timeout: float) -> str:
        """The next line that the guest writes to the agent port."""
        deadline = time.monotonic() + timeout
        while b"\n" not in self._buffer:
            self._buffer += self._receive(self.agent, deadline, "report of the guest")
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode(errors="backslashreplace")

    def wait_report(self, beginning: str, timeout: float) -> str:
        """The next line of the agent port that begins with these words; others before it are passed over."""
        deadline = time.monotonic() + timeout
        while True:
            line = self.report(max(0.0, deadline - time.monotonic()))
            if line.startswith(beginning):
                return line

    def say(self, line: str) -> None:
        """Write a line to the guest's end of the agent port."""
        self.agent.sendall(line.encode() + b"\n")

    def _receive(self, sock: socket.socket, deadline: float, what: str) -> bytes:
        left = deadline - time.monotonic()
        ready, _, _ = select.select([sock, self._pidfd], [], [], max(0.0, left))
        if sock in ready and (data := sock.recv(1 << 16)):
            return data
        raise MachineError(self._words(f"no {what}: " + ("the machine ended" if ready else "out of time")))

    # What it shows on its console, and what somebody types there

    def wait_console(self, words: str, timeout: float) -> str:
        """What the console shows from where the last call ended to these words, with them."""
        shown = ""

        def there() -> bool:
            nonlocal shown
            shown = self.console.read_bytes()[self._seen :].decode(errors="replace")
            return words in shown

        self._until(there, f"waiting for {words!r} on the console", timeout)
        shown = shown[: shown.index(words) + len(words)]
        self._seen += len(shown.encode())
        return shown

    def type(self, line: str) -> None:
        assert self.process is not None and self.process.stdin is not None, "it is off"
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    # Power

    def wait_exit(self, timeout: float) -> None:
        """Until the guest has powered off or rebooted (both end QEMU)."""
        ready, _, _ = select.select([self._pidfd], [], [], timeout)
        if not ready:
            raise MachineError(self._words(f"still running after {timeout:.0f} s"))
        status = self._reap()
        if status:
            raise MachineError(self._words(f"QEMU ended with status {status}"))

    def kill(self) -> None:
        """Cut the power: QEMU's own process is killed, nothing is flushed.  Harmless when it is off."""
        if self.process is not None:
            os.kill(self.process.pid, signal.SIGKILL)
            self._reap()

    def _reap(self) -> int:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.close()
        status = self.process.wait()
        self.agent.close()
        self.monitor.close()
        os.close(self._pidfd)
        self.process = None
        running.discard(self)
        return status

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()

    # QEMU's monitor

    def qmp(self, command: str, *, timeout: float = 60.0, **arguments: Any) -> Any:
        """One command of QMP, its answer; events are passed over."""
        deadline = time.monotonic() + timeout
        words = json.dumps({"execute": command, "arguments": arguments}) + "\n"
        self.monitor.sendall(words.encode())
        while "return" not in (message := self._message(deadline)):
            if "error" in message:
                raise MachineError(f"{command}: {message['error']}")
        return message["return"]

    def _message(self, deadline: float) -> dict[str, Any]:
        while b"\n" not in self._monitor_buffer:
            self._monitor_buffer += self._receive(self.monitor, deadline, "answer of QEMU's monitor")
        line, _, self._monitor_buffer = self._monitor_buffer.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def save(self, path: Path) -> None:
        """Stop and write memory and devices to a file; `start(restore=path)` goes on from there.

        The disks have to be kept beside it as they are at this moment.
        """
        self.qmp("stop")
        self.qmp("migrate", uri=f"exec:cat > {path}")
        self._until(lambda: self.qmp("query-migrate").get("status") == "completed", "saving")

    def _until(self, done: Callable[[], bool], what: str, timeout: float = 60.0) -> None:
        """Ask the monitor again and again, with pauses that the machine's end cuts short."""
        deadline = time.monotonic() + timeout
        while not done():
            ended, _, _ = select.select([self._pidfd], [], [], 0.05)
            if ended or time.monotonic() > deadline:
                raise MachineError(self._words(f"{what} failed"))

    # When it goes wrong

    def tail(self, lines: int = 40) -> str:
        with contextlib.suppress(FileNotFoundError):
            return "\n".join(self.console.read_text(errors="backslashreplace").splitlines()[-lines:])
        return "(no console)"

    def _words(self, what: str) -> str:
        log = self.directory / "qemu.log"
        errors = log.read_text(errors="replace")[-500:].strip() if log.exists() else ""
        return f"{what}\n{errors}\n--- the end of {self.console}:\n{self.tail()}"
