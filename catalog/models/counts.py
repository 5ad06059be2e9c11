"""How many shapes the catalog lists, counted as they are written, so that no page counts 100,000 of them.

Rows are amounts to be added up: those of a recount, and behind them one or two of each write since, which triggers of
the database add in the writing transaction. So writers never wait for each other, and a reader's sum is exact at once.
"""

from __future__ import annotations

from django.db import models

from accounts.models import Account


class FacetCount(models.Model):
    """Shapes that are alike in everything that the catalog filters by, text aside, and in who may see them."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+", help_text="The shapes' own.")
    is_public = models.BooleanField()
    family = models.CharField(max_length=63)
    architecture = models.CharField(max_length=8, blank=True)
    runs_here = models.BooleanField()
    trainer_mode = models.CharField(max_length=24)
    accelerator = models.CharField(max_length=32, help_text="A value of the filter, not of the version's column.")
    max_context = models.IntegerField()
    gpus = models.IntegerField()
    shapes = models.IntegerField(help_text="To be added; less than none where some left.")

    def __str__(self) -> str:
        return f"{self.shapes:+} of {self.family}"


class CatalogChange(models.Model):
    """That something was written of which the catalog's page is made, as a number that nobody foresees.

    Triggers add one in the writing transaction. So the sum of all is another one after each commit, whichever of
    several writers commits first, and no sum comes twice. A recount puts one in place of all.
    """

    number = models.BigIntegerField()

    def __str__(self) -> str:
        return str(self.number)
