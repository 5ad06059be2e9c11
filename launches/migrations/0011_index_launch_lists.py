from django.contrib.postgres.indexes import GinIndex
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("launches", "0010_launch_lists")]

    operations = [
        migrations.AddIndex(
            model_name="launch",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=["account", "run_seconds", "id"],
                name="launches_by_duration",
            ),
        ),
        migrations.AddIndex(
            model_name="launch",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True), ("last_loss__isnull", False)),
                fields=["account", "last_loss", "id"],
                name="launches_by_loss",
            ),
        ),
        migrations.AddIndex(
            model_name="launch",
            index=models.Index(
                condition=models.Q(("deleted_at__isnull", True), ("last_loss__isnull", True)),
                fields=["account", "id"],
                name="launches_without_loss",
            ),
        ),
        migrations.AddIndex(
            model_name="launch",
            index=GinIndex(fields=["search_text"], name="launch_search_trigrams", opclasses=["gin_trgm_ops"]),
        ),
    ]
