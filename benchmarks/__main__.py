"""`python -m benchmarks <command>`; `--help` lists the commands."""

import signal
import sys
import traceback

from benchmarks.errors import INTERRUPTED
from benchmarks.processes import leave
from benchmarks.ranks import blamed


def run() -> int:
    """Runs the command line; Ctrl-C ends it with one line, be it while what it needs is still imported."""
    try:
        from benchmarks.cli import main

        return main(sys.argv[1:])
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        return 128 + signal.SIGINT
    except Exception as error:  # noqa: BLE001 (as Python would end, but for `leave`)
        code = blamed(error)
        if code is None:  # or another rank has told of it
            traceback.print_exc()
        return code or 1


if __name__ == "__main__":
    leave(run())
