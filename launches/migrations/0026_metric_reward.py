"""The mean reward that a loop tells with what it trains on."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("launches", "0025_index_launched_versions")]

    operations = [
        migrations.AddField(
            model_name="metric",
            name="reward",
            field=models.FloatField(help_text="As the loop told it.", null=True),
        ),
    ]
