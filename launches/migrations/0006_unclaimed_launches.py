"""Who made a launch, and whether somebody came for its trainer. What was there before counts as made by a person."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("launches", "0005_reason_limit")]

    operations = [
        migrations.AddField(
            "launch",
            "made_by_program",
            models.BooleanField(default=False, db_default=False, help_text="By the API, with a key."),
        ),
        migrations.AddField(
            "launch",
            "claimed_at",
            models.DateTimeField(
                blank=True, help_text="When a client was first seen to have opened a session, in any attempt.", null=True
            ),
        ),
        migrations.AddField(
            "attempt",
            "ready_at",
            models.DateTimeField(blank=True, help_text="Since when it answers; empty where it does not.", null=True),
        ),
        migrations.AlterField(
            "attempt",
            "reason",
            models.CharField(
                blank=True,
                choices=[
                    ("DONE", "DONE"),
                    ("USER", "USER"),
                    ("INACTIVE", "INACTIVE"),
                    ("UNCLAIMED", "UNCLAIMED"),
                    ("HOST_STOPPED", "HOST_STOPPED"),
                    ("EXIT_CODE", "EXIT_CODE"),
                    ("ENVIRONMENT", "ENVIRONMENT"),
                    ("LIMIT", "LIMIT"),
                    ("SPEC_REFUSED", "SPEC_REFUSED"),
                    ("UNKNOWN_TO_PROVIDER", "UNKNOWN_TO_PROVIDER"),
                ],
                max_length=20,
            ),
        ),
    ]
