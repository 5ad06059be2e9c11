"""Of each base model whether a connection of this machine may run it; the next start finds out."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("catalog", "0015_former_names")]

    operations = [
        migrations.AddField(
            model_name="basemodel",
            name="runs_here",
            field=models.BooleanField(
                db_default=False, default=False, help_text="A connection of this machine may run a shape of it."
            ),
        ),
    ]
