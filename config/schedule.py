"""What beat sends how often, and which queue that goes to."""

from __future__ import annotations

PULSE_QUEUE = "pulse"
SCHEDULE = {
    "sweep": {"task": "launches.sweep", "schedule": 2.0, "options": {"expires": 10}},
    "validations": {"task": "publishing.sweep", "schedule": 5.0, "options": {"expires": 10}},
    "reconcile": {"task": "launches.reconcile_all", "schedule": 30.0, "options": {"expires": 30}},
    "samplers": {"task": "deployments.reconcile_all", "schedule": 30.0, "options": {"expires": 30}},
    "connections": {"task": "connections.look_around", "schedule": 30.0, "options": {"expires": 30}},
    "promotions": {"task": "catalog.sweep_promotions", "schedule": 5.0, "options": {"expires": 10}},
    "deployments": {"task": "deployments.sweep", "schedule": 5.0, "options": {"expires": 10}},
    "datasets": {"task": "datasets.sweep", "schedule": 5.0, "options": {"expires": 10}},
    "pushes": {"task": "pushes.sweep", "schedule": 5.0, "options": {"expires": 10}},
    "catalogs": {"task": "catalog.sync_due", "schedule": 10.0, "options": {"expires": 10}},
    "models": {"task": "catalog.arrange", "schedule": 600.0, "options": {"expires": 600}},
    "tidy": {"task": "config.tidy", "schedule": 3600.0, "options": {"expires": 3600}},
    "pulse": {"task": "config.pulse", "schedule": 5.0, "options": {"expires": 20}},
}
_LONG_WORK = {"catalog.arrange", "config.tidy"}
# What only finds work, and the pulse, have a queue of their own, of which workers take in turns with the other: a long
# queue of hints must not look like a dead worker, nor keep waiting what finds the rows that nobody was hinted of.
ROUTES = {
    task: {"queue": PULSE_QUEUE} for task in (str(each["task"]) for each in SCHEDULE.values()) if task not in _LONG_WORK
}
