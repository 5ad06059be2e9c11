from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0004_keep_what_left_draft")]

    operations = [
        migrations.AddIndex(
            model_name="trainingshape",
            index=models.Index(fields=["-created_at", "-id"], name="shapes_by_time"),
        ),
        migrations.AddIndex(
            model_name="shapeversion",
            index=models.Index(fields=["-created_at", "-id"], name="versions_by_time"),
        ),
        migrations.AddIndex(
            model_name="shapeversion",
            index=models.Index(
                condition=models.Q(("is_latest_validated", True)),
                fields=["-created_at", "-id"],
                name="latest_by_time",
            ),
        ),
    ]
