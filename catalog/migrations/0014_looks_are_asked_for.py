"""A look at a connection's catalog is a row before it is done: asked for, leased, and worked off by a worker."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("catalog", "0013_offerings"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RenameField(model_name="syncrun", old_name="ended_at", new_name="finished_at"),
        migrations.AlterField(
            model_name="syncrun", name="finished_at", field=models.DateTimeField(blank=True, null=True)
        ),
        migrations.AddField(
            model_name="syncrun",
            name="asked_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="syncrun",
            name="expected",
            field=models.CharField(
                blank=True, help_text="The fingerprint of the plan that was agreed to.", max_length=64, default=""
            ),
            preserve_default=False,
        ),
        migrations.AddField(model_name="syncrun", name="plan_only", field=models.BooleanField(default=False)),
        migrations.AddField(
            model_name="syncrun",
            name="failures",
            field=models.PositiveIntegerField(default=0, help_text="Retryable errors in a row."),
        ),
        migrations.AddField(model_name="syncrun", name="lease_token", field=models.UUIDField(blank=True, null=True)),
        migrations.AddField(model_name="syncrun", name="lease_until", field=models.DateTimeField(blank=True, null=True)),
        migrations.AddField(
            model_name="syncrun",
            name="next_check_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
        ),
        migrations.AlterField(
            model_name="syncrun",
            name="outcome",
            field=models.CharField(
                choices=[
                    ("ASKED", "ASKED"),
                    ("APPLIED", "APPLIED"),
                    ("UNCHANGED", "UNCHANGED"),
                    ("PLANNED", "PLANNED"),
                    ("FAILED", "FAILED"),
                ],
                max_length=9,
            ),
        ),
        migrations.AddIndex(
            model_name="syncrun",
            index=models.Index(
                condition=models.Q(("finished_at__isnull", True)), fields=["next_check_at"], name="looks_to_do"
            ),
        ),
        migrations.AddConstraint(
            model_name="syncrun",
            constraint=models.UniqueConstraint(
                condition=models.Q(("outcome", "ASKED")), fields=("connection",), name="one_look_asked_for"
            ),
        ),
        migrations.AddConstraint(
            model_name="syncrun",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("finished_at__isnull", True), ("outcome", "ASKED")),
                    models.Q(models.Q(("outcome", "ASKED"), _negated=True), ("finished_at__isnull", False)),
                    _connector="OR",
                ),
                name="look_finished_unless_asked_for",
            ),
        ),
    ]
