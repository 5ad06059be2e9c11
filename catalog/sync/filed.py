"""A published catalog file, read into the same values as what a connection lists. Pure.

It is read as strictly as any other file: whole, or not at all. What it says of a shape beyond its snapshot counts, too:
launch fields that are narrowed, and a warning.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from catalog.files.document import Deprecation, ShapeEntry
from catalog.files.problems import DocumentError
from catalog.files.reader import LONGEST_MESSAGE, read_file
from catalog.sync.offers import NOT_PUBLIC, Offered, OfferedShape, RefusedLine
from catalog.sync.reading import read_listed
from connections.providers.catalogs import CatalogFile, RemoteCatalog
from wire.errors import FailedPrecondition

SAID = "Said by "
"""How the warnings begin that a file says, which are lifted again once it says none."""
_Naming = Callable[[str], str]


def read_offered(catalog: RemoteCatalog | CatalogFile, *, source: str) -> Offered:
    """`source` is what people call the connection. Errors: `FailedPrecondition` with all that is wrong in a file."""
    return _read_filed(catalog, source) if isinstance(catalog, CatalogFile) else read_listed(catalog)


def _read_filed(file: CatalogFile, source: str) -> Offered:
    try:
        document = read_file(file.data, source=file.source)
    except DocumentError as error:
        raise FailedPrecondition(str(error)) from None
    account = next((here for here, there in file.accounts.items() if there == document.account_id), None)
    if account is None:
        raise FailedPrecondition(
            f"{file.source} is the catalog of {document.account_id}, which the connection's Catalogs do not name."
        )
    shapes = [_shape(entry, account, file.name_here, source) for entry in document.shapes]
    facts = {file.name_here(model.name): model.facts for model in document.models if model.facts}
    listed = {account: {shape.shape_id for shape in shapes}}
    if document.public:
        return Offered({account: shapes}, listed, (), facts)
    return Offered({account: []}, listed, tuple(RefusedLine(shape.snapshot.name, NOT_PUBLIC) for shape in shapes), {})


def _shape(entry: ShapeEntry, account: str, here: _Naming, source: str) -> OfferedShape:
    snapshot = replace(
        entry.snapshot,
        name=here(entry.snapshot.name),
        base_model=here(entry.snapshot.base_model),
        deployment_shape_version=entry.snapshot.deployment_shape_version
        and here(entry.snapshot.deployment_shape_version),
    )
    warning = entry.deprecated and Deprecation(
        f"{SAID}{source}: {entry.deprecated.message}"[:LONGEST_MESSAGE], here(entry.deprecated.successor)
    )
    return OfferedShape(
        account, entry.shape_id, entry.version_id, snapshot, filed=replace(entry, snapshot=snapshot, deprecated=warning)
    )
