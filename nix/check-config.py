"""Read a configuration as the daemon would: a build fails with its words, and not with a traceback."""

from __future__ import annotations

import os
import sys

from impermanenced.config import load
from impermanenced.errors import ImpermanenceError


def main() -> int:
    try:
        load.load(os.fsencode(sys.argv[1]))
    except ImpermanenceError as error:
        sys.stderr.write(error.message + (f"\nhint: {error.hint}\n" if error.hint else "\n"))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
