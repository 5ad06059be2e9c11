"""The streams that a measurement opens: the loss of one is told, and is no affair of the others."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys

from benchmarks.watchers import GREETED

PATIENCE = 60
RESET = struct.pack("ii", 1, 0)
"""Closing does not wait, and says so to the other end."""


def test_streams_that_ended_or_were_reset_are_not_counted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        command = [sys.executable, "-m", "benchmarks.watchers", "127.0.0.1", str(server.getsockname()[1]), "/", "3"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watching:
            assert watching.stdin is not None
            assert watching.stdout is not None
            watching.stdin.write("sessionid=none\n")
            watching.stdin.flush()
            reset, ended, kept = streams = [server.accept()[0] for _ in range(3)]
            for stream in streams:
                stream.sendall(GREETED)
            assert watching.stdout.readline() == "open\n"
            reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            reset.close()
            ended.shutdown(socket.SHUT_RDWR)
            ended.close()
            assert watching.communicate(timeout=PATIENCE)[0] == "1\n"
            kept.close()
        assert watching.returncode == 0
