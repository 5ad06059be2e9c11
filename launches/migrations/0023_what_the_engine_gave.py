from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('launches', '0022_go_on_after_interruptions'),
    ]

    operations = [
        migrations.AddField(
            model_name='attempt',
            name='gpu_seconds',
            field=models.BigIntegerField(blank=True, help_text='As the engine has counted them so far.', null=True),
        ),
        migrations.AddField(
            model_name='attempt',
            name='remote_gpus',
            field=models.CharField(blank=True, db_default='', help_text='What the engine gave it.', max_length=200),
        ),
        migrations.AddField(
            model_name='attempt',
            name='remote_nodes',
            field=models.CharField(blank=True, db_default='', help_text='Where the engine ran it.', max_length=200),
        ),
    ]
