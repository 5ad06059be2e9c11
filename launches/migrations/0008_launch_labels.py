
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('launches', '0007_attempt_metrics_offset'),
    ]

    operations = [
        migrations.AddField(
            model_name='launch',
            name='managed_by',
            field=models.CharField(blank=True, db_default='', help_text='A label, too.', max_length=200),
        ),
        migrations.AddField(
            model_name='launch',
            name='purpose',
            field=models.CharField(blank=True, db_default='', help_text='A label: see launches.labels.', max_length=200),
        ),
    ]
