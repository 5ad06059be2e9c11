"""Which room a verb stands in: the one whose rows it writes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RULE = (
    "A verb stands in the `domain/` of the room whose rows it writes: a version changes in `catalog/domain/` alone, "
    "and `publishing/domain/` writes validations and uploaded files."
)
APPS = ("accounts", "catalog", "connections", "datasets", "deployments", "launches", "publishing", "pushes")
WRITES = {
    *("create", "bulk_create", "get_or_create", "update_or_create"),
    *("save", "update", "bulk_update", "delete"),
}
MAY_WRITE = re.compile(rf"\.\s*({'|'.join(sorted(WRITES))})\b")
"""A module without any of them need not be parsed, which takes its time."""
NICKNAMES = {"version": "ShapeVersion", "shape": "TrainingShape", "base_model": "BaseModel", "held": "Attempt"}
ELSEWHERE = {
    "queues/leases.py": "what attempts and validations have in common as rows that are leased",
    "launches/management/commands/stop_local_trainers.py": "lets a worker look at once",
}


def rows() -> dict[str, str]:
    """The room of each model, by the model's name and by those of its variables."""
    models = {
        node.name: app
        for app in APPS
        for path in (*(ROOT / app).glob("models.py"), *(ROOT / app / "models").glob("*.py"))
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    variables = {name.lower(): app for name, app in models.items()}
    return models | variables | {name: models[model] for name, model in NICKNAMES.items()}


def written(path: Path) -> list[tuple[int, str]]:
    """The lines of a module that write rows, and by which name."""
    text = path.read_text()
    if not MAY_WRITE.search(text):
        return []
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return [
        (call.lineno, _root(call.func.value))
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr in WRITES
    ]


def _root(node: ast.expr) -> str:
    """`Launch` of `Launch.objects.filter(...)`."""
    while not isinstance(node, ast.Name):
        match node:
            case ast.Attribute() | ast.Subscript():
                node = node.value
            case ast.Call():
                node = node.func
            case _:
                return ""
    return node.id


def test_rows_are_written_by_the_verbs_of_their_own_room() -> None:
    known = rows()
    strays = [
        f"{path.relative_to(ROOT)}:{line} writes {name}"
        for app in (*APPS, "api", "config", "downloads", "queues")
        for path in sorted((ROOT / app).rglob("*.py"))
        if "migrations" not in path.parts and str(path.relative_to(ROOT)) not in ELSEWHERE
        for line, name in written(path)
        if name in known and path.parent != ROOT / known[name] / "domain"
    ]
    assert strays == [], RULE


def test_the_rule_stands_where_people_look_for_it() -> None:
    text = " ".join((ROOT / "docs" / "ARCHITECTURE.md").read_text().split())
    assert RULE in text
