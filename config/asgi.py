"""The front door: the event stream and the gateway are plain ASGI apps, everything else goes to Django.

The bytes of a download are sent here, too, once Django has settled everything else about it.
"""

from __future__ import annotations

import gc
import os
import resource
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

MOST_FILES = 65_536
"""Descriptors of a web process: the gateway alone needs two for each request in progress."""


SWITCH_SECONDS = 0.0005
"""After which a thread lets another one run, a tenth of Python's own: the event loop, which answers everybody, waits
for each page that is being made."""


def _open_many_files() -> None:
    """Take what the system grants, at most MOST_FILES, since it starts processes with 1,024 as a rule."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    granted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < granted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))


_open_many_files()
sys.setswitchinterval(SWITCH_SECONDS)

from config.bodies import bounded  # noqa: E402
from config.handler import get_application  # noqa: E402
from config.keys import require_keys_or_exit  # noqa: E402
from config.load import admitted  # noqa: E402
from config.static import share_static_files  # noqa: E402
from downloads.handover import sending_downloads  # noqa: E402

require_keys_or_exit()
share_static_files()
django_application = bounded(sending_downloads(admitted(get_application())))

# Models can be imported only once Django is set up.
from config.access import logged  # noqa: E402
from config.key_limit import limited  # noqa: E402
from deployments.gateway import leads_to_sampler, read_sampler_request  # noqa: E402
from launches.gateway.application import PREFIX, gateway  # noqa: E402
from launches.live.streams import events  # noqa: E402

gc.collect()
gc.freeze()  # what is loaded by now stays: to look for rubbish in it stopped a process for 100 ms now and then


@logged
@limited
async def application(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """Route one connection by its path."""
    if scope["type"] == "http" and scope["path"] == "/events":
        await events(scope, receive, send)
    elif scope["type"] == "http" and scope["path"].startswith(PREFIX):
        await gateway(scope, receive, send)
    elif scope["type"] == "http" and leads_to_sampler(scope):
        await gateway(scope, receive, send, read=read_sampler_request)
    elif scope["type"] == "http":
        await django_application(scope, receive, send)
