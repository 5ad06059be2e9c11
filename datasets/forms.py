"""The form that a dataset is uploaded by: what it asks for; what is allowed is said by the verbs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from django import forms

from datasets.domain.create_dataset import LONGEST_NAME
from datasets.models import LONGEST_PATH
from wire.errors import InvalidArgument
from wire.names import near_id

WITHOUT_SCRIPTS_MB = 8
_PLAIN = {"class": "input", "autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


class DatasetForm(forms.Form):
    """A file with an id; with scripts the file is sent behind the form in pieces, and `size_bytes` says its size."""

    file = forms.FileField(
        label="File",
        allow_empty_file=True,
        error_messages={"required": "Choose a file."},
        widget=forms.FileInput(
            attrs={"class": "input h-auto py-1.5", "accept": ".jsonl,.ndjson,.json,.txt", "data-file": ""}
        ),
    )
    dataset_id = forms.CharField(
        label="Id",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs=_PLAIN),
        help_text="a-z, 0-9 and hyphen. Made from the file's name where you leave it out.",
    )
    display_name = forms.CharField(
        label="Name", required=False, max_length=LONGEST_NAME, widget=forms.TextInput(attrs={"class": "input"})
    )
    source_path = forms.CharField(
        label="Or the path of a file that is there",
        required=False,
        max_length=LONGEST_PATH,
        widget=forms.TextInput(attrs=_PLAIN),
    )
    size_bytes = forms.IntegerField(required=False, widget=forms.HiddenInput())

    def __init__(self, *args: Any, directories: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"].required = not self.data.get("size_bytes") and not self.data.get("source_path")
        self.fields["source_path"].help_text = f"Below {' or '.join(directories)}. It is copied."
        if not directories:
            del self.fields["source_path"]

    def clean_dataset_id(self) -> str:
        """The id, or one that is near the file's name."""
        given: str = self.cleaned_data["dataset_id"]
        file = self.cleaned_data.get("file")
        name = file.name if file else self.data.get("source_path")
        return given or near_id(PurePosixPath(name or "").stem)

    def refuse(self, refusal: InvalidArgument) -> None:
        """Show what the verb found wrong beside the fields."""
        for violation in refusal.violations:
            named = "source_path" if violation.field == "path" else violation.field
            named = named if named in self.fields and named != "size_bytes" else "file"
            self.add_error(named, violation.description)
