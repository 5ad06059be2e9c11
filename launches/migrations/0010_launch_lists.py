"""What lists of launches are searched and sorted by, of the launches that are there."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models

from launches.search import launch_search_text

BATCH = 1000
DURATIONS = """
UPDATE launches_launch SET run_seconds = attempts.seconds
FROM (
    SELECT launch_id, sum(greatest(0, extract(epoch FROM finished_at - started_at))) AS seconds
    FROM launches_attempt WHERE started_at IS NOT NULL AND finished_at IS NOT NULL GROUP BY launch_id
) attempts
WHERE attempts.launch_id = launches_launch.id
"""
LOSSES = """
UPDATE launches_launch SET last_loss = newest.loss_per_token, last_step = newest.step
FROM (
    SELECT DISTINCT ON (a.launch_id) a.launch_id, m.loss_per_token, m.step
    FROM launches_attempt a JOIN launches_metric m ON m.attempt_id = a.id
    WHERE a.metrics_read > 0 ORDER BY a.launch_id, a.number DESC, m.number DESC
) newest
WHERE newest.launch_id = launches_launch.id
"""


def write_search_texts(apps: Any, schema_editor: Any) -> None:
    launches = apps.get_model("launches", "Launch").objects
    changed = []
    found = launches.select_related("shape_version__shape").only(
        "display_name", "job_id", "spec", "shape_version__shape__shape_id", "shape_version__shape__search_text"
    )
    for launch in found.iterator(chunk_size=BATCH):
        launch.search_text = launch_search_text(
            display_name=launch.display_name,
            job_id=launch.job_id,
            base_model=launch.spec["base_model"],
            shape=launch.shape_version.shape,
        )
        changed.append(launch)
        if len(changed) == BATCH:
            launches.bulk_update(changed, ["search_text"])
            changed = []
    launches.bulk_update(changed, ["search_text"])


class Migration(migrations.Migration):
    dependencies = [("launches", "0009_unknown_trainer"), ("catalog", "0010_successor_version")]

    operations = [
        migrations.AddField(
            model_name="launch",
            name="last_loss",
            field=models.FloatField(blank=True, help_text="Of the newest record of its series.", null=True),
        ),
        migrations.AddField(
            model_name="launch",
            name="last_step",
            field=models.PositiveIntegerField(blank=True, help_text="Of the same record.", null=True),
        ),
        migrations.AddField(
            model_name="launch",
            name="run_seconds",
            field=models.FloatField(db_default=0, default=0, help_text="How long its attempts that are over have run."),
        ),
        migrations.AddField(
            model_name="launch",
            name="search_text",
            field=models.TextField(
                default="", help_text="Of `launches.search`: its names and its shape's, as they were then."
            ),
            preserve_default=False,
        ),
        migrations.RunSQL(DURATIONS, migrations.RunSQL.noop),
        migrations.RunSQL(LOSSES, migrations.RunSQL.noop),
        migrations.RunPython(write_search_texts, migrations.RunPython.noop),
    ]
