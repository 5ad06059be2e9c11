import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("launches", "0012_launch_connection"),
    ]

    operations = [
        migrations.AlterField(
            model_name="launch",
            name="connection",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="launches", to="connections.connection"
            ),
        ),
        migrations.AlterField(
            model_name="unknowntrainer",
            name="connection",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="unknown_trainers",
                to="connections.connection",
            ),
        ),
        migrations.RemoveConstraint(model_name="unknowntrainer", name="unknown_trainer_once"),
        migrations.RemoveField(model_name="launch", name="provider"),
        migrations.RemoveField(model_name="unknowntrainer", name="provider"),
        migrations.AddConstraint(
            model_name="unknowntrainer",
            constraint=models.UniqueConstraint(
                fields=("connection", "account_name", "job_id", "attempt_number"), name="unknown_trainer_once"
            ),
        ),
    ]
