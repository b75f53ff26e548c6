"""Becomes another program, tied to the life of whoever started it.

    python -I -S launch.py <parent pid> <signal> <uid or -> <gid or -> program [argument ...]

A file of its own, run by path and without site-packages (12 ms): changing the account and asking
the kernel for a signal when the parent dies must happen in the child, and Python code between fork
and exec is unsafe in a parent with threads.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Never returns: executes the program, or exits with 127 and a line on stderr."""
    parent, stop_signal, uid, gid, *argv = arguments
    if uid != "-":
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    if sys.platform == "linux":
        # After setuid, which clears it.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit(127)
    for ignored in (signal.SIGPIPE, signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_DFL)
    try:
        os.execv(argv[0], argv)
    except OSError as error:
        sys.stderr.write(f"cannot run {argv[0]}: {error.strerror}\n")
        sys.exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
