"""Shapes of a second kind, which samplers run from."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0019_models_elsewhere")]

    operations = [
        migrations.AddField(
            model_name="trainingshape",
            name="kind",
            field=models.CharField(
                max_length=10,
                choices=[("training", "training"), ("deployment", "deployment")],
                default="training",
                db_default="training",
            ),
        ),
    ]
