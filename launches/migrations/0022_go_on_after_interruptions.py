from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('launches', '0021_promotable_there'),
    ]

    operations = [
        migrations.AddField(
            model_name='launch',
            name='goes_on',
            field=models.BooleanField(db_default=False, default=False, help_text='Whether it goes on by itself where it is interrupted.'),
        ),
        migrations.AddField(
            model_name='launch',
            name='interruptions',
            field=models.PositiveSmallIntegerField(db_default=0, default=0, help_text='How often in a row it was interrupted without a new checkpoint.'),
        ),
        migrations.RunSQL(
            "UPDATE launches_launch SET goes_on = true WHERE spec ->> 'recipe' NOT IN ('none', 'validation') "
            "AND state IN ('QUEUED', 'PENDING', 'CREATING', 'RUNNING') AND deleted_at IS NULL",
            migrations.RunSQL.noop,
        ),
    ]
