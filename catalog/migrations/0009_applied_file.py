
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0005_forget_addresses'),
        ('catalog', '0008_index_model_names'),
    ]

    operations = [
        migrations.CreateModel(
            name='AppliedFile',
            fields=[
                ('account', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='+', serialize=False, to='accounts.account')),
                ('source', models.CharField(blank=True, help_text="The file's name.", max_length=300)),
                ('sha256', models.CharField(blank=True, max_length=64)),
                ('applied_at', models.DateTimeField(blank=True, null=True)),
                ('bundled_sha256', models.CharField(blank=True, max_length=64)),
            ],
        ),
    ]
