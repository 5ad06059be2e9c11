"""The first process of a container, as with `init: true`: passes signals on, and waits for whoever lost a parent."""

from __future__ import annotations

import os
import signal
import sys

child = os.fork()
if not child:
    os.execvp(sys.argv[1], sys.argv[1:])
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda which, _: os.kill(child, which))
while True:
    pid, status = os.wait()
    if pid == child:
        sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)
