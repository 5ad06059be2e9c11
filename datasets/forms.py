"""The form that a dataset is uploaded by: what it asks for; what is allowed is said by the verbs."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from django import forms

from datasets.domain.create_dataset import LONGEST_NAME
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
    size_bytes = forms.IntegerField(required=False, widget=forms.HiddenInput())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["file"].required = not self.data.get("size_bytes")

    def clean_dataset_id(self) -> str:
        """The id, or one that is near the file's name."""
        given: str = self.cleaned_data["dataset_id"]
        file = self.cleaned_data.get("file")
        return given or (near_id(PurePosixPath(file.name or "").stem) if file else "")

    def refuse(self, refusal: InvalidArgument) -> None:
        """Show what the verb found wrong beside the fields."""
        for violation in refusal.violations:
            named = violation.field if violation.field in ("dataset_id", "display_name") else "file"
            self.add_error(named, violation.description)
