from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("publishing", "0002_catalog_imports")]

    operations = [
        migrations.AddField(
            model_name="validation",
            name="failures",
            field=models.PositiveIntegerField(default=0, help_text="Retryable errors in a row."),
        ),
    ]
