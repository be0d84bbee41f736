"""`python -m benchmarks <command>`; `--help` lists the commands."""

import signal
import sys

from benchmarks.errors import INTERRUPTED


def run() -> int:
    """Runs the command line; Ctrl-C ends it with one line, be it while what it needs is still imported."""
    try:
        from benchmarks.cli import main

        return main(sys.argv[1:])
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(run())
