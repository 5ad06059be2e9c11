#!/usr/bin/env python3
"""Django's command line, in the environment that `./run manage` prepares."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from config.commands import run

    run(sys.argv)
