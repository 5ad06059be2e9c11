"""Other names of base models, and names in the form in which search compares them."""

from __future__ import annotations

from typing import Any

import django.contrib.postgres.fields
from django.db import migrations, models

from catalog.search import search_text

BATCH = 1000


def write_search_texts(apps: Any, schema_editor: Any) -> None:
    """As `catalog.naming` has them; base models had no other names before."""
    base_models, shapes = (apps.get_model("catalog", name) for name in ("BaseModel", "TrainingShape"))
    of_models = {}
    changed = []
    for model in base_models.objects.iterator(chunk_size=BATCH):
        model.search_text = search_text(model.title, model.model_id, model.family, model.section)
        of_models[model.pk] = model.search_text
        changed.append(model)
    base_models.objects.bulk_update(changed, ["search_text"], batch_size=BATCH)
    changed = []
    for shape in shapes.objects.only("display_name", "shape_id", "base_model_id").iterator(chunk_size=BATCH):
        shape.search_text = search_text(shape.display_name, shape.shape_id) + of_models[shape.base_model_id]
        changed.append(shape)
    shapes.objects.bulk_update(changed, ["search_text"], batch_size=BATCH)


class Migration(migrations.Migration):
    dependencies = [("catalog", "0006_freeze_the_text")]

    operations = [
        migrations.AddField(
            model_name="basemodel",
            name="aliases",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=120),
                blank=True,
                default=list,
                help_text="Its other names.",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="basemodel",
            name="search_text",
            field=models.TextField(
                default="", help_text="Of `catalog.search`: its title, id, family, section and other names."
            ),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name="trainingshape",
            name="search_text",
            field=models.TextField(
                help_text="Of `catalog.search`: display name and id, and all of the base model's."
            ),
        ),
        migrations.RunPython(write_search_texts, migrations.RunPython.noop),
    ]
