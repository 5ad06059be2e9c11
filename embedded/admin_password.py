"""The first admin's password, which whoever starts `./run` may give: used once, and then nowhere to be read."""

from __future__ import annotations

import ctypes
import os

VARIABLE = "SLIPWAY_ADMIN_PASSWORD"


def take_admin_password() -> dict[str, str]:
    """What the one process that makes the first admin gets; from now on no other has it, this one included.

    Taking a variable out of `os.environ` only hides it from later children: the kernel goes on to show the text that
    this process was started with, to everyone of the same user. So that text is overwritten, too.
    """
    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_void_p
    given = libc.getenv(VARIABLE.encode())
    password = os.environ.pop(VARIABLE, "")
    if given and password:
        ctypes.memset(given, 0, len(os.fsencode(password)))
    return {VARIABLE: password} if password else {}
