"""Runs in the guest: carries out what the test asks for over the virtio port, as root.

One JSON object a line.  Request: {"run": shell text, "timeout": seconds, "as": user or null}.
Answer: {"status": exit status or null when it took too long, "output": text, "seconds": time it took}.
"""

from __future__ import annotations

import json
import subprocess
import time

PORT = "/dev/virtio-ports/agent"


def answer(request: dict[str, object]) -> dict[str, object]:
    argv = ["/bin/sh", "-c", str(request["run"])]
    if request.get("as"):
        argv = ["runuser", "-u", str(request["as"]), "--", *argv]
    began = time.monotonic()
    try:
        result = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=float(str(request["timeout"])),
            check=False,
        )
        status, output = result.returncode, result.stdout
    except subprocess.TimeoutExpired as error:
        status, output = None, error.stdout or b""
    text = output.decode(errors="backslashreplace")
    return {"status": status, "output": text, "seconds": time.monotonic() - began}


def main() -> None:
    with open(PORT, "r+b", buffering=0) as port:
        port.write(b'{"ready": true}\n')
        rest = b""
        while data := port.read(1 << 16):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                words = json.dumps(answer(json.loads(line))).encode() + b"\n"
                while words:
                    words = words[port.write(words) :]


if __name__ == "__main__":
    main()
