"""What a deployment is asked to serve, and what its sampler loaded last."""

from __future__ import annotations

import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models.fields.json import KeyTextTransform


def _name_base_models(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:  # noqa: ARG001
    apps.get_model("deployments", "Deployment").objects.update(serves=KeyTextTransform("base_model", "spec"))


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0020_deployment_shapes"),
        ("deployments", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="deployment",
            name="serves",
            field=models.CharField(
                default="", help_text="Resource name of what it was asked to serve.", max_length=300
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="deployment",
            name="model",
            field=models.ForeignKey(
                blank=True,
                help_text="What it serves, where that is a model that people made; none once it was deleted.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="deployments",
                to="catalog.trainedmodel",
            ),
        ),
        migrations.AddField(
            model_name="deployment",
            name="loaded",
            field=models.CharField(
                blank=True,
                default="",
                help_text="Identity of what its sampler loaded last: what the next one starts with.",
                max_length=400,
            ),
            preserve_default=False,
        ),
        migrations.RunPython(_name_base_models, migrations.RunPython.noop),
    ]
