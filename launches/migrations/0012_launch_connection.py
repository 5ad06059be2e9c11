from typing import Any

import django.db.models.deletion
from django.db import migrations, models


def name_connections(apps: Any, schema_editor: Any) -> None:  # noqa: ARG001
    """Each launch, those in flight too, gets the row of the connection whose name it was recorded under."""
    connection_model = apps.get_model("connections", "Connection")
    for model in (apps.get_model("launches", "Launch"), apps.get_model("launches", "UnknownTrainer")):
        for name in model.objects.order_by().values_list("provider", flat=True).distinct():
            connection, _ = connection_model.objects.get_or_create(
                name=name, defaults={"kind": "local", "display_name": "This machine", "for_everyone": True}
            )
            model.objects.filter(provider=name).update(connection=connection)


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0001_initial"),
        ("launches", "0011_index_launch_lists"),
    ]

    operations = [
        migrations.AlterField(
            model_name="attempt",
            name="endpoint",
            field=models.CharField(blank=True, max_length=400),
        ),
        migrations.AddField(
            model_name="attempt",
            name="estimated_start",
            field=models.DateTimeField(blank=True, help_text="When the engine expects to start it.", null=True),
        ),
        migrations.AddField(
            model_name="attempt",
            name="passed_loss",
            field=models.FloatField(db_default=0, default=0, help_text="Seen in the gateway since the last step."),
        ),
        migrations.AddField(
            model_name="attempt",
            name="passed_tokens",
            field=models.BigIntegerField(db_default=0, default=0, help_text="Over which that loss is a sum."),
        ),
        migrations.AddField(
            model_name="attempt",
            name="remote_id",
            field=models.CharField(blank=True, db_default="", help_text="The engine's own id.", max_length=200),
        ),
        migrations.AddField(
            model_name="attempt",
            name="remote_state",
            field=models.CharField(blank=True, db_default="", help_text="The engine's own state.", max_length=64),
        ),
        migrations.AddField(
            model_name="attempt",
            name="remote_version",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="The shape version that the engine resolved by itself.",
                max_length=300,
            ),
        ),
        migrations.AddField(
            model_name="launch",
            name="connection",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="launches",
                to="connections.connection",
            ),
        ),
        migrations.AddField(
            model_name="unknowntrainer",
            name="connection",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="unknown_trainers",
                to="connections.connection",
            ),
        ),
        migrations.RunPython(name_connections, migrations.RunPython.noop),
    ]
