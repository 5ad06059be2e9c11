"""A deprecated version may send its users to one version rather than to whatever a shape resolves to."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0009_applied_file")]
    operations = [
        migrations.AddField(
            model_name="shapeversion",
            name="successor_version",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="catalog.shapeversion",
            ),
        ),
    ]
