
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('publishing', '0003_validation_failures'),
    ]

    operations = [
        migrations.AddField(
            model_name='catalogimport',
            name='bundled',
            field=models.BooleanField(db_default=False, help_text='It came with Slipway; what it lacks stays as it is.'),
        ),
    ]
