"""What connections say of a spec, and what they come to together. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from connections.models import Connection
from connections.providers.recipes import Recipe
from connections.providers.spec import NO_RECIPE


class Outlook(StrEnum):
    """What becomes of a spec at one connection: it starts, waits, or never runs; or nothing goes there now."""

    FITS = "FITS"
    FULL = "FULL"
    AWAY = "AWAY"
    CLOSED = "CLOSED"
    NEVER = "NEVER"


@dataclass(frozen=True)
class Verdict:
    """What one connection says of a spec: why it never runs there, or with which recipes it may.

    `waits` says why it would wait as things stand, "" where it would not as far as the connection said; `limits` what
    our own recipes cannot do there.
    """

    connection: Connection
    reasons: tuple[str, ...]
    recipes: tuple[Recipe, ...] = ()
    waits: str = ""
    limits: str = ""

    @property
    def may_run(self) -> bool:
        """Whether a launch may go there now: nothing is against it, and the connection takes launches."""
        return not self.reasons and self.connection.takes_launches

    @property
    def outlook(self) -> Outlook:
        """In a word."""
        if self.reasons:
            return Outlook.NEVER
        if not self.connection.takes_launches:
            return Outlook.CLOSED
        if not self.connection.is_reachable:
            return Outlook.AWAY
        return Outlook.FULL if self.waits else Outlook.FITS

    @property
    def against(self) -> tuple[str, ...]:
        """Why it does not start there at once, one sentence a reason; empty where it would."""
        away = () if self.connection.is_reachable else ("It does not answer.",)
        return (*self.reasons, *_closed(self.connection)) or away or tuple(filter(None, (self.waits,)))


@dataclass(frozen=True)
class Offer:
    """Who takes a spec (None: nobody, or not the one that was chosen), and what each that was asked says of it."""

    connection: Connection | None
    recipes: tuple[Recipe, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def unchosen(self) -> Offer:
        """The same where nobody chose."""
        return take(self.verdicts)

    @property
    def limits(self) -> str:
        """What our own recipes cannot do where it goes, in words."""
        return next((each.limits for each in self.verdicts if each.connection == self.connection), "")

    @property
    def recipe_names(self) -> tuple[str, ...]:
        """Names of the recipes, the default one first."""
        return tuple(recipe.name for recipe in self.recipes) or (NO_RECIPE,)

    def recipe_of(self, name: str) -> Recipe | None:
        """The recipe of that name."""
        return next((recipe for recipe in self.recipes if recipe.name == name), None)

    @property
    def refusals(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """By connection, why it does not take the spec."""
        against = ((verdict, (*verdict.reasons, *_closed(verdict.connection))) for verdict in self.verdicts)
        return tuple((str(verdict.connection), reasons) for verdict, reasons in against if reasons)

    @property
    def choices(self) -> tuple[Verdict, ...]:
        """Those that may run it now."""
        return tuple(verdict for verdict in self.verdicts if verdict.may_run)


NOBODY = Offer(None, (), ())
"""Of a spec that there is not."""


def take(verdicts: tuple[Verdict, ...], wanted: str = "") -> Offer:
    """The offer of the first that may run it, of the wanted one where one is; those that answer before the others."""
    willing = [verdict for verdict in verdicts if verdict.may_run and wanted in ("", verdict.connection.name)]
    willing.sort(key=lambda verdict: not verdict.connection.is_reachable)
    if not willing:
        return Offer(None, (), verdicts)
    return Offer(willing[0].connection, willing[0].recipes, verdicts)


def _closed(connection: Connection) -> tuple[str, ...]:
    """Why it takes no new launches, where it takes none."""
    return (connection.closed_because,) if connection.closed_because else ()


def refusal_sentence(offer: Offer) -> str:
    """Why nobody takes it, as one paragraph."""
    if not offer.verdicts:
        return "This Slipway has no connection that the account may use, so nothing can be launched."
    told = " ".join(f"{label}: {' '.join(reasons)}" for label, reasons in offer.refusals)
    return f"No connection can run this. {told}"
