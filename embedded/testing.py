"""`./run test`: pytest on servers of its own, which live in a temporary folder and are gone afterwards."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from embedded import environment as environments
from embedded import kept_tables
from embedded.browser import find_or_install_browser
from embedded.console import Console
from embedded.foreground import run_in_foreground
from embedded.home import ROOT, Home, temporary_home
from embedded.postgres import find_binaries
from embedded.proxies import find_or_install_proxies
from embedded.redis import find_or_install_redis
from embedded.servers import start_servers
from embedded.services import environment, programs_path
from embedded.slurm import find_or_install_slurm
from embedded.sshd import find_or_install_sshd

KEPT_SETTINGS = (
    *("SLIPWAY_PYTHON", "SLIPWAY_ENV_DIR", "SLIPWAY_CHROMIUM", "SLIPWAY_TEST_ENVIRONMENTS"),
    "SLIPWAY_TEST_VLLM_PYTHON",
)
FORGOTTEN_SETTINGS = {"PORT", "DATABASE_URL", "REDIS_URL", "PYTHONDONTWRITEBYTECODE"}
NO_BROWSER = (
    "NO BROWSER: the browser tests were skipped, because there is no Chromium and it could not be installed.\n"
    "Install chromium, or set SLIPWAY_CHROMIUM to one, to run them."
)
NO_SLURM = (
    "NO SLURM: the tests of connections to a Slurm cluster were skipped, because there is none and it could not be "
    "installed.\nInstall slurmctld, slurmd and slurm-client to run them; they start a cluster of their own."
)
NO_SSHD = (
    "NO SSHD: the tests of login nodes were skipped, because there is no sshd and it could not be installed.\n"
    "Install openssh-server to run them; they start one of their own on 127.0.0.1."
)
NO_PROXIES = (
    "NO PROXIES: the tests of deploy/proxy were skipped, because nginx or Caddy is missing and could not be "
    "installed.\nInstall nginx-light and caddy to run them; they start their own on 127.0.0.1."
)
NO_REDIS = (
    "NO REDIS: the tests of Redis as the broker were skipped, because there is none and it could not be installed.\n"
    "Install redis-server to run them; they start their own on 127.0.0.1."
)
DEMANDING = "SLIPWAY_TEST_EVERYTHING"
"""Set, no test may be skipped because a program is missing: how .ci/run calls."""


def forget_settings() -> None:
    """Drop the caller's own settings, so that tests mean the same everywhere and touch no running Slipway.

    And what forbids Python to keep compiled modules: hundreds would be compiled anew in every process of every test.
    """
    for name in list(os.environ):
        if name in FORGOTTEN_SETTINGS or (name.startswith("SLIPWAY_") and name not in KEPT_SETTINGS):
            del os.environ[name]


def folder_of_its_own(home: Home) -> Path:
    """Where the folders of one run's tests go: another that begins shuts a shared one to the users of trainers."""
    folder = home.path.with_name("pytest")
    folder.mkdir(mode=0o711)
    return folder


def pytest_options(arguments: list[str]) -> list[str]:
    """Two processes that share the files out, unless the caller speaks of it or wants a debugger or a list.

    The quick suite does without the plugin for one test that it leaves out, which takes a second to load.
    """
    own = ("--numprocesses", "--dist", "--pdb", "--trace", "--collect-only", "--co", "-p")
    spoken = any(argument.startswith("-n") or argument.partition("=")[0] in own for argument in arguments)
    if (os.cpu_count() or 1) < 2 or spoken:
        return arguments
    shared = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", *arguments]
    return ["-p", "no:schemathesis", *shared] if "not e2e" in arguments else shared


def run(arguments: list[str]) -> int:
    """Run the tests; returns pytest's exit code.

    Raises:
        Trouble: the servers could not be started.
    """
    console = Console()
    browser = find_or_install_browser(console)
    slurm, sshd = find_or_install_slurm(console), find_or_install_sshd(console)
    proxies, redis = find_or_install_proxies(console), find_or_install_redis(console)
    demanding = bool(os.environ.get(DEMANDING))
    os.environ["SLIPWAY_ENV_DIR"] = str(environments.folder())
    forget_settings()
    with temporary_home() as home:
        kept_tables.bring(home, environments.folder())
        servers = start_servers(home, Console(silent=True), durable=False, given=False)
        try:
            env = environment(home, database_url=servers.database_url, redis_url=servers.redis_url)
            env |= {"SLIPWAY_CHROMIUM": browser or "", "PATH": programs_path(find_binaries())}
            env["SLIPWAY_TEST_TABLES"] = kept_tables.DATABASE
            env.setdefault("PYTEST_DEBUG_TEMPROOT", str(folder_of_its_own(home)))
            argv = [sys.executable, "-m", "pytest", *pytest_options(arguments)]
            code = run_in_foreground(argv, env=env, cwd=ROOT)
        finally:
            servers.stop(time.monotonic() + 3)
    said = ((browser, NO_BROWSER), (slurm, NO_SLURM), (sshd, NO_SSHD), (proxies, NO_PROXIES), (redis, NO_REDIS))
    for words in [words for found, words in said if not found]:
        console.say(f"\n{words}")
    return code or int(demanding and not (slurm and sshd and proxies and redis))
