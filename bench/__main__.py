from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

NAMES = (
    *("status", "daemon", "beside", "watch", "directories", "attribution"),
    *("storm", "soak", "siege", "rollback", "verdicts", "persist", "diff", "restore", "apply", "clobber"),
)


def main() -> int:
    wanted = sys.argv[1:] or NAMES
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        print(f"bench: no bench {unknown[0]}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        print("bench: needs root for a loop device", file=sys.stderr)
        return 4
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    machine = f"{os.cpu_count()} x {cpu.partition(': ')[2]}, Linux {os.uname().release}"
    print(f"bench: {machine}", file=sys.stderr)
    for name in wanted:
        for figure in importlib.import_module(f"bench.{name}").run():
            print(json.dumps({"bench": name, **figure}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
