"""What runs already loads the weights of its deployment's trainer, but where that was just changed."""

from django.db import migrations
from django.db.models import F


def of_its_trainer(apps, _schema_editor):
    rows = apps.get_model("deployments", "Deployment").objects.filter(running=True, stop_asked=False)
    rows.update(start_trainer=F("trainer"))


class Migration(migrations.Migration):
    dependencies = [("deployments", "0009_start_trainer")]

    operations = [migrations.RunPython(of_its_trainer, migrations.RunPython.noop)]
