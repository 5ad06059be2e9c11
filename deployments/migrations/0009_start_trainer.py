"""Whose weights a start loads, which stays so where its deployment is given another trainer."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("deployments", "0008_loads"), ("launches", "0027_references")]

    operations = [
        migrations.AddField(
            model_name="deployment",
            name="start_trainer",
            field=models.ForeignKey(
                blank=True,
                help_text="Whose weights the newest start loads; `trainer` is whose the next one does.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="launches.launch",
            ),
        ),
    ]
