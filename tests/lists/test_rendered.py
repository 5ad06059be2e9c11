"""What is kept of a row is made of its value alone: a template that looked elsewhere would show what was so once."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from catalog.rows import ShownShape
from launches.pages.rows import ShownLaunch

TAG = re.compile(r"\{[{%](.*?)[%}]\}", re.DOTALL)
LOOKUP = re.compile(r"(?<![\w.\"'/:|=-])([a-z_]+)((?:\.\w+)+)")


@pytest.mark.parametrize(
    ("shown", "template"), [(ShownShape, "catalog/row.html"), (ShownLaunch, "launches/row.html")], ids=str
)
def test_a_row_shows_all_of_its_value_and_nothing_else(shown: type[Any], template: str) -> None:
    text = (Path(settings.BASE_DIR) / "templates" / template).read_text(encoding="utf-8")
    found = [match for tag in TAG.findall(text) for match in LOOKUP.findall(re.sub(r"\"[^\"]*\"|=(?=\w)", " ", tag))]
    assert {root for root, _ in found} == {"row"}
    assert {path.split(".")[1] for _, path in found} == {field.name for field in fields(shown)}
    assert not {"request", "user", "perms", "messages"} & set(re.findall(r"\w+", " ".join(TAG.findall(text))))
