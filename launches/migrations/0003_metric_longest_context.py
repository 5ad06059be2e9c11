from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("launches", "0002_index_launches_to_purge")]

    operations = [
        migrations.AddField(
            model_name="metric",
            name="longest_context",
            field=models.PositiveBigIntegerField(help_text="Tokens of the longest sequence.", null=True),
        ),
    ]
