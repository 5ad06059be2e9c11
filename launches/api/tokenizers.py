"""The tokenizer of a base model, from the provider that has the model."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from api.schema import refusals
from api.views import ResourceView
from catalog.model_queries import find_model
from catalog.states import ModelKind
from catalog.trained_queries import find_trained
from connections.opened import open_provider
from connections.providers.errors import ProviderError
from launches.placement import connections_of
from wire.errors import NotFound
from wire.names import model_name

GZIP = "application/gzip"


class TokenizerView(ResourceView):
    """What a user's own program has to have of the model: text becomes the trainer's token ids by it."""

    @extend_schema(
        operation_id="DownloadTokenizer", responses={(200, GZIP): OpenApiTypes.BINARY, **refusals()}, parameters=[]
    )
    def get(self, request: Request, account: str, model: str) -> HttpResponse:  # noqa: ARG002
        """A gzipped tar of one folder, named as the model's id, which transformers loads as a tokenizer."""
        name = model_name(account, model)
        made = find_trained(self.mine, name)
        if made is None and find_model(self.mine, name) is None:
            raise NotFound(f"There is no {name[:300]} that this API key may see.")
        holder = made.base_model if made and made.kind == ModelKind.ADAPTER else name
        for connection in connections_of(self.key.account):
            try:
                files = open_provider(connection).tokenizer(holder)
            except ProviderError:  # another one may have it
                continue
            if files:
                packed = HttpResponse(pack(model, files), content_type=GZIP)
                packed["Content-Disposition"] = f'attachment; filename="{model}.tar.gz"'
                return packed
        raise NotFound(f"The tokenizer of {name} is not here. Take it from where the model comes from.")


def pack(folder: str, files: Mapping[str, bytes]) -> bytes:
    """A gzipped tar of the files in the folder."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()
