"""Connections are compared with what is recorded here one by one, by a worker at a time."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("connections", "0003_order_of_an_account"),
    ]

    operations = [
        migrations.AddField(
            model_name="connection",
            name="comparing_until",
            field=models.DateTimeField(blank=True, help_text="While that is compared with our rows.", null=True),
        ),
    ]
