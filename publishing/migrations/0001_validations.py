
import django.db.models.deletion
import django.db.models.functions.datetime
import publishing.states
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('catalog', '0004_keep_what_left_draft'),
        ('launches', '0003_metric_longest_context'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Validation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('number', models.PositiveIntegerField()),
                ('kind', models.CharField(choices=[('RUN', 'RUN'), ('BY_HAND', 'BY_HAND')], max_length=8)),
                ('state', models.CharField(choices=[('QUEUED', 'QUEUED'), ('STATIC', 'STATIC'), ('LAUNCHING', 'LAUNCHING'), ('RUNNING', 'RUNNING'), ('PASSED', 'PASSED'), ('FAILED', 'FAILED')], default=publishing.states.ValidationState['QUEUED'], max_length=12)),
                ('requested_label', models.CharField(max_length=200)),
                ('reason', models.TextField(blank=True, help_text='Why it was validated by hand.')),
                ('steps', models.PositiveIntegerField(blank=True, null=True)),
                ('outcome', models.TextField(blank=True, help_text='How it ended, in a sentence.')),
                ('log', models.JSONField(default=list)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('next_check_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('lease_token', models.UUIDField(blank=True, null=True)),
                ('lease_until', models.DateTimeField(blank=True, null=True)),
                ('provider', models.CharField(blank=True, max_length=32)),
                ('image', models.TextField(blank=True)),
                ('accelerator_type', models.CharField(blank=True, max_length=32)),
                ('gpus', models.PositiveIntegerField(blank=True, null=True)),
                ('seconds_to_ready', models.FloatField(blank=True, help_text='Since the provider began.', null=True)),
                ('seconds_per_step', models.FloatField(blank=True, help_text='Median, without the first step.', null=True)),
                ('peak_memory_bytes', models.PositiveBigIntegerField(blank=True, null=True)),
                ('longest_context', models.PositiveBigIntegerField(blank=True, help_text='Tokens.', null=True)),
                ('first_loss', models.FloatField(blank=True, null=True)),
                ('last_loss', models.FloatField(blank=True, null=True)),
                ('forwards', models.PositiveIntegerField(blank=True, help_text='Of a forward-only trainer.', null=True)),
                ('forward_seconds', models.FloatField(blank=True, help_text='Of all forwards together.', null=True)),
                ('launch', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='validations', to='launches.launch')),
                ('requested_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='validations', to='catalog.shapeversion')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('finished_at__isnull', True)), fields=['next_check_at'], name='validations_due')],
                'constraints': [models.UniqueConstraint(fields=('version', 'number'), name='validation_number_unique'), models.UniqueConstraint(condition=models.Q(('state__in', ['LAUNCHING', 'QUEUED', 'RUNNING', 'STATIC'])), fields=('version',), name='one_unfinished_validation'), models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', False), ('state__in', ['FAILED', 'PASSED'])), models.Q(('finished_at__isnull', True), ('state__in', ['LAUNCHING', 'QUEUED', 'RUNNING', 'STATIC'])), _connector='OR'), name='validation_finished_when_final'), models.CheckConstraint(condition=models.Q(models.Q(('kind', publishing.states.ValidationKind['RUN']), ('steps__gt', 0)), models.Q(('kind', publishing.states.ValidationKind['BY_HAND']), ('launch__isnull', True), ('state', publishing.states.ValidationState['PASSED'])), _connector='OR'), name='by_hand_runs_nothing')],
            },
        ),
    ]
