"""Claims, their protocols, and the runs that settle them."""

import getpass
import os

try:
    getpass.getuser()
except (KeyError, OSError):  # a user without a name, as in containers; torch asks for one when it is imported
    os.environ["USER"] = str(os.getuid())
