"""A plan in words, for a terminal and for the log of a pipeline. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from catalog.files.plan import Plan, PlanStep, StepKind

WORDS = {
    StepKind.ADD_ACCOUNT: ("accounts to add", "accounts added"),
    StepKind.CHANGE_ACCOUNT: ("accounts to rename", "accounts renamed"),
    StepKind.ADD_MODEL: ("base models to add", "base models added"),
    StepKind.CHANGE_MODEL: ("base models to change", "base models changed"),
    StepKind.ORDER: ("orders to change", "orders changed"),
    StepKind.ADD: ("shapes to add", "shapes added"),
    StepKind.CHANGE: ("shapes to change", "shapes changed"),
    StepKind.DEPRECATE: ("shapes to deprecate", "shapes deprecated"),
    StepKind.RESTORE: ("deprecations to lift", "deprecations lifted"),
}
MARKS = {
    StepKind.ADD_ACCOUNT: "+ account",
    StepKind.CHANGE_ACCOUNT: "~ account",
    StepKind.ADD_MODEL: "+ model",
    StepKind.CHANGE_MODEL: "~ model",
    StepKind.ORDER: "~ order",
    StepKind.ADD: "+ shape",
    StepKind.CHANGE: "~ shape",
    StepKind.DEPRECATE: "! deprecate",
    StepKind.RESTORE: "^ restore",
}


def summary(plan: Plan, *, done: bool = False) -> str:
    """How many steps there are of each kind that it has, to be done or `done`."""
    return ", ".join(f"{WORDS[kind][done]}: {number}" for kind, number in plan.counts.items() if number)


def plan_text(plan: Plan) -> str:
    """Every step with its fields, `before -> after`, and how to do exactly this."""
    if not plan.steps:
        return f"accounts/{plan.account_id} is as the file says. Nothing to do."
    lines = [f"accounts/{plan.account_id}: {summary(plan)}", ""]
    for step in plan.steps:
        lines += _step(step)
    vouching = ["", plan.vouching] if plan.vouching else []
    options = f"--plan {plan.fingerprint}{' --renew-fields' if plan.renew else ''}"
    return "\n".join([*lines, *vouching, "", f"To do exactly this: apply_catalog FILE {options}"])


def _step(step: PlanStep) -> Iterator[str]:
    yield f"{MARKS[step.kind]} {step.name}"
    if step.note:
        yield f"    {step.note}"
    for line in step.lines:
        yield f"    {line.label}: {' -> '.join(_one_line(value) for value in line.values)}"


def _one_line(value: str) -> str:
    return value if value.isprintable() else repr(value)
