"""A mail server on the loopback address that takes whatever is sent, or refuses it."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Session(socketserver.StreamRequestHandler):
    """One client's dialogue, as far as a plain submission goes."""

    server: MailServer

    def handle(self) -> None:
        self._say("220 here")
        for line in self.rfile:
            words = line.decode().split()
            match (words or [""])[0].upper():
                case "EHLO":
                    self._say("250-here\r\n250 AUTH PLAIN")
                case "AUTH":
                    self.server.logins.append(words[-1])
                    self._say("235 come in")
                case "RCPT" if self.server.refuses:
                    self._say("550 nobody here")
                case "DATA":
                    self._say("354 go on")
                    self.server.mails.append("".join(iter(self._line, ".\r\n")))
                    self._say("250 taken")
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 fine")

    def _line(self) -> str:
        return self.rfile.readline().decode()

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class MailServer(socketserver.ThreadingTCPServer):
    """What it was shown as names and passwords (base64), and the mails that it took, as they came."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.logins: list[str] = []
        self.mails: list[str] = []
        self.refuses = False

    @property
    def port(self) -> int:
        return int(self.server_address[1])


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """One that listens for the duration of the block."""
    with MailServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
