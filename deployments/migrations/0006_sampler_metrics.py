"""What samplers put on record: what each set of weights answered, and loads of weights."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("deployments", "0005_unknown_samplers"),
        ("launches", "0026_metric_reward"),
    ]

    operations = [
        migrations.AddField(
            model_name="deployment",
            name="records_offset",
            field=models.BigIntegerField(
                db_default=0, default=0, help_text="Bytes of the records of this start that were read."
            ),
        ),
        migrations.CreateModel(
            name="SamplerMetric",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("start", models.PositiveIntegerField()),
                ("number", models.PositiveIntegerField()),
                ("is_load", models.BooleanField()),
                (
                    "identity",
                    models.CharField(blank=True, help_text="Of the weights; none of the base model.", max_length=400),
                ),
                ("requests", models.PositiveIntegerField()),
                ("prompt_tokens", models.PositiveBigIntegerField()),
                ("completion_tokens", models.PositiveBigIntegerField()),
                ("seconds", models.FloatField(help_text="With requests under way, or that the load took.")),
                ("message", models.CharField(blank=True, help_text="Why a load failed.", max_length=500)),
                ("at", models.DateTimeField(help_text="When the newest answer was given, or the load ended.")),
                (
                    "deployment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="metrics",
                        to="deployments.deployment",
                    ),
                ),
                (
                    "launch",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sampler_metrics",
                        to="launches.launch",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["launch", "-at"], name="sampler_metrics_of_launch")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("deployment", "start", "number"), name="sampler_metric_number_unique"
                    )
                ],
            },
        ),
    ]
