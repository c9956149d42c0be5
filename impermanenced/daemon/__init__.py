"""The daemon: the watch, the report and the bus in one process."""

import sys

# asyncio, which structlog and newer PyGObject import, would load OpenSSL: 4 MB of a process that never speaks
# TLS.  None is how the import system is told that a module is not there.
sys.modules.setdefault("ssl", None)  # type: ignore[arg-type]
