#!/usr/bin/python3 -I
"""Notes each line that it is sent in a file, and answers when it is on the disk; systemd has its socket."""

from __future__ import annotations

import os
import socket

with socket.socket(fileno=3) as waiting, open("/var/lib/notebook/notes", "ab") as notes:
    while True:
        with waiting.accept()[0].makefile("rwb") as stream:
            for line in stream:
                notes.write(line)
                notes.flush()
                os.fsync(notes.fileno())
                stream.write(line)
                stream.flush()
