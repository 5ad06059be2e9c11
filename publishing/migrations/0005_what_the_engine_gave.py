from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('publishing', '0004_bundled_imports'),
    ]

    operations = [
        migrations.AddField(
            model_name='validation',
            name='gpus_had',
            field=models.CharField(blank=True, db_default='', help_text='What the engine gave it.', max_length=200),
        ),
        migrations.AddField(
            model_name='validation',
            name='nodes',
            field=models.CharField(blank=True, db_default='', help_text='Where the engine ran it.', max_length=200),
        ),
    ]
