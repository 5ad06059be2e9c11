from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("launches", "0006_unclaimed_launches")]

    operations = [
        migrations.AddField(
            model_name="attempt",
            name="metrics_offset",
            field=models.BigIntegerField(default=0, help_text="Where the provider goes on reading records."),
        ),
    ]
