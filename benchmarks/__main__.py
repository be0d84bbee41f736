"""`python -m benchmarks <command>`; `--help` lists the commands."""

import signal
import sys
import traceback

from benchmarks.errors import INTERRUPTED, UserError
from benchmarks.processes import MISTAKE, leave
from benchmarks.ranks import blamed

RECORDING = ("reproduce", "run", "validate")  # commands that may end in a record


def run() -> int:
    """Runs the command line; Ctrl-C ends it with one line, be it while what it needs is still imported."""
    try:
        if sys.argv[1:2] and sys.argv[1] in RECORDING and not {"-h", "--help"} & {*sys.argv}:
            note_what_is_there()
        from benchmarks.cli import main

        return main(sys.argv[1:])
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        return 128 + signal.SIGINT
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return MISTAKE
    except Exception as error:  # noqa: BLE001 (as Python would end, but for `leave`)
        code = blamed(error)
        if code is None:  # or another rank has told of it
            traceback.print_exc()
        return code or 1


def note_what_is_there() -> None:
    """Looks at code and packages, of which a record tells, before they are imported.

    Raises:
        UserError: git cannot compare the code with its commit.
    """
    from benchmarks.environment import code_at_start, packages

    code_at_start()
    packages()


if __name__ == "__main__":
    leave(run())
