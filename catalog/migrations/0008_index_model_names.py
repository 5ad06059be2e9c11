"""Apart from the step before, since Postgres indexes no table with updates that are not committed."""

from __future__ import annotations

import django.contrib.postgres.indexes
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("catalog", "0007_search_by_names")]

    operations = [
        migrations.AddIndex(
            model_name="basemodel",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["search_text"], name="base_model_search_trigrams", opclasses=["gin_trgm_ops"]
            ),
        ),
    ]
