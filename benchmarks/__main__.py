"""`python -m benchmarks <command>`; `--help` lists the commands."""

import sys

from benchmarks.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
