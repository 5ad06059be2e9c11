from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0011_editions_of_fields")]

    operations = [
        migrations.AddIndex(
            model_name="shapeversion",
            index=models.Index(fields=["-updated_at", "-id"], name="versions_by_update"),
        ),
    ]
