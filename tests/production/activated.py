"""Start a worker as systemd does, on a socket that outlives it: ``python -m tests.production.activated FD COMMAND``."""

import os
import sys

descriptor, *command = sys.argv[1:]
os.dup2(int(descriptor), 3)
os.environ["LISTEN_FDS"], os.environ["LISTEN_PID"] = "1", str(os.getpid())
os.execv(command[0], command)
