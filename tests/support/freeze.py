"""Freezes the oldest thread of a process that has this name until standard input ends.

Usage: freeze.py PID NAME, the name as /proc shows it. Says "frozen" when the thread stands still.
"""

import ctypes
import pathlib
import select
import sys

SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
WAIT_FOR_ALL, NO_HANG = 0x40000000, 1

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def trace(what, thread):
    if libc.ptrace(what, thread, None, None) != 0:
        sys.exit(f"ptrace {what:#x} of {thread}: errno {ctypes.get_errno()}")


def main(process, name):
    tasks = sorted(int(task.name) for task in pathlib.Path(f"/proc/{process}/task").iterdir())
    named = [
        task
        for task in tasks
        if pathlib.Path(f"/proc/{process}/task/{task}/comm").read_text().strip() == name
    ]
    if not named:
        sys.exit(f"no thread {name!r} in process {process}")
    thread = named[0]
    trace(SEIZE, thread)
    trace(INTERRUPT, thread)
    libc.waitpid(thread, None, WAIT_FOR_ALL)
    print("frozen", flush=True)
    while not select.select([sys.stdin], [], [], 0.1)[0]:
        # A process that ended is kept until the end of this thread was noticed.
        if libc.waitpid(thread, None, WAIT_FOR_ALL | NO_HANG) != 0:
            return
    libc.ptrace(DETACH, thread, None, None)


main(int(sys.argv[1]), sys.argv[2])
