"""Ask the connection that keeps a checkpoint to make a model of it, and how far that is."""

from __future__ import annotations

from catalog.models import TrainedModel
from catalog.weights import WrongWeights
from connections.models import Connection
from connections.opened import provider_to_act
from connections.providers.errors import Gone
from connections.providers.promotions import PromotesThere, PromotionThere


def ask_elsewhere(model: TrainedModel, connection: Connection) -> PromotionThere:
    """How far the model is: asked for anew where nobody there knows of it, which makes it once. Writes nothing.

    Errors: `WrongWeights` where it came to nothing, `ProviderError`.
    """
    provider, account = provider_to_act(connection), model.account.account_id
    if not isinstance(provider, PromotesThere):
        raise Gone(f"{connection} makes no models (any more).")
    operation = str((model.elsewhere or {}).get("operation", ""))
    said = provider.promotion(account, model.model_id, operation) if operation else None
    if said is None:
        place = (account, model.job_id, model.checkpoint)
        said = provider.promote(*place, model=model.model_id, base_model=model.base_model)
    if said.failure:
        raise WrongWeights(f"{connection} did not make it: {said.failure}")
    return said
