"""Datasets as the wire writes them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from api.fields import Int64Field
from datasets.checking.formats import DatasetFormat
from datasets.checking.problems import read_findings
from datasets.models import Dataset
from datasets.states import DatasetState
from wire.status import Code
from wire.times import rfc3339

STATES = tuple(state for state in DatasetState if state is not DatasetState.DELETED)
UNKNOWN_FORMAT = "FORMAT_UNSPECIFIED"
FILE_URL = "file://"
FORMATS = (UNKNOWN_FORMAT, *DatasetFormat)


class FindingExampleSerializer(serializers.Serializer[Any]):
    """Where a problem is."""

    line = serializers.IntegerField(read_only=True)
    field = serializers.CharField(read_only=True, help_text="path of the field in the row, such as messages[2].role")
    value = serializers.CharField(read_only=True, help_text="as it was written, cut")


class FindingSerializer(serializers.Serializer[Any]):
    """A kind of problem that the check found."""

    problem = serializers.CharField(read_only=True)
    refuses = serializers.BooleanField(read_only=True, help_text="false for a warning")
    message = serializers.CharField(read_only=True)
    remedy = serializers.CharField(read_only=True)
    count = Int64Field(read_only=True)
    examples = FindingExampleSerializer(many=True, read_only=True, help_text="the first of them")


class DatasetSerializer(serializers.Serializer[Dataset]):
    """A file that recipes train on, and what its check found."""

    name = serializers.CharField(read_only=True)
    displayName = serializers.CharField(required=False, allow_blank=True, max_length=200)
    state = serializers.ChoiceField(STATES, read_only=True)
    status = serializers.DictField(read_only=True, help_text="google.rpc.Status")
    exampleCount = Int64Field(required=False, min_value=0, help_text="rows, which the check counts")
    userUploaded = serializers.DictField(required=False, help_text="an empty object")
    externalUrl = serializers.CharField(
        required=False, allow_blank=True, max_length=2000, help_text="file:///PATH below a connection's directories"
    )
    format = serializers.ChoiceField(FORMATS, required=False, help_text="which the check finds")
    createTime = serializers.DateTimeField(read_only=True)
    updateTime = serializers.DateTimeField(read_only=True)
    createdBy = serializers.CharField(read_only=True)
    sizeBytes = Int64Field(read_only=True)
    receivedBytes = Int64Field(read_only=True, help_text="from which byte on the upload goes on")
    checkedBytes = Int64Field(read_only=True, help_text="how far the check is")
    sha256 = serializers.CharField(read_only=True, help_text="of the file, once it was checked")
    findings = FindingSerializer(many=True, read_only=True)

    def to_representation(self, row: Dataset) -> dict[str, Any]:
        """What it is, and how it stands."""
        refused = row.state == DatasetState.REFUSED
        return {
            "name": row.name,
            "displayName": row.display_name,
            "state": row.state,
            "status": {"code": int(Code.INVALID_ARGUMENT) if refused else 0, "message": row.detail, "details": []},
            "exampleCount": str(row.rows or 0),
            "userUploaded": {},
            "externalUrl": f"{FILE_URL}{row.source_path}" if row.source_path else "",
            "format": row.format or UNKNOWN_FORMAT,
            "createTime": rfc3339(row.created_at),
            "updateTime": rfc3339(row.updated_at),
            "createdBy": row.owner.get_username(),
            "sizeBytes": str(row.size_bytes or 0),
            "receivedBytes": str(row.received_bytes),
            "checkedBytes": str(row.checked_bytes),
            "sha256": row.sha256,
            "findings": [
                {
                    "problem": found.problem.value,
                    "refuses": found.wording.refuses,
                    "message": found.wording.title,
                    "remedy": found.wording.remedy,
                    "count": str(found.count),
                    "examples": found.examples,
                }
                for found in read_findings(row.findings)
            ],
        }


class CreateDatasetSerializer(serializers.Serializer[Any]):
    """What a dataset is created by."""

    datasetId = serializers.CharField(max_length=200)
    dataset = DatasetSerializer(required=False)
    sourceDatasetId = serializers.CharField(required=False, allow_blank=True, help_text="Not taken.")
    filter = serializers.CharField(required=False, allow_blank=True, help_text="Not taken.")


class UploadRequestSerializer(serializers.Serializer[Any]):
    """The file that is to be sent."""

    filenameToSize = serializers.DictField(child=Int64Field(min_value=0), help_text="one file, with its size in bytes")
    readMask = serializers.CharField(required=False, allow_blank=True, help_text="Of no effect.")


class UploadEndpointSerializer(serializers.Serializer[Any]):
    """Where it is sent to."""

    filenameToSignedUrls = serializers.DictField(
        child=serializers.CharField(), read_only=True, help_text="takes pieces by PUT, with the API key"
    )
