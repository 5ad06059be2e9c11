"""What a killed run left behind."""

from __future__ import annotations

from embedded.console import Console
from embedded.home import Home
from embedded.processes import kill, session_members


def end_leftovers(home: Home, console: Console) -> None:
    """End what the last holder of the state folder did not stop itself, because it was killed.

    Postgres is left to its own start, which asks it to stop in order. Trainers lead sessions of their own and are
    found again by the application.
    """
    before = home.read_running()
    for name, child in before.children.items() if before else ():
        if name != "postgres" and (members := session_members(child)):
            console.say(f"Ending {name}, left over from a run that was killed")
            kill(members)
