"""A base model keeps its former ids, and a shape may follow its base model to the row of the name that it has now.

Only the verb that renames a base model may do that: it says from which row to which in `slipway.renaming_model`.
"""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import migrations, models

KEEP = """
CREATE OR REPLACE FUNCTION catalog_keep_shape() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.account_id, NEW.shape_id) IS DISTINCT FROM (OLD.account_id, OLD.shape_id)
        OR (NEW.base_model_id IS DISTINCT FROM OLD.base_model_id
            AND current_setting('slipway.renaming_model', true)
                IS DISTINCT FROM OLD.base_model_id || ':' || NEW.base_model_id) THEN
        RAISE EXCEPTION 'shape % keeps its account, id and base model', OLD.shape_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""
BACK = """
CREATE OR REPLACE FUNCTION catalog_keep_shape() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.account_id, NEW.shape_id, NEW.base_model_id) IS DISTINCT FROM
        (OLD.account_id, OLD.shape_id, OLD.base_model_id) THEN
        RAISE EXCEPTION 'shape % keeps its account, id and base model', OLD.shape_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):

    dependencies = [("catalog", "0014_looks_are_asked_for")]

    operations = [
        migrations.AddField(
            model_name="basemodel",
            name="former_ids",
            field=ArrayField(
                base_field=models.CharField(max_length=63),
                blank=True,
                db_default=[],
                default=list,
                help_text="What it was called before; they go on resolving.",
                size=None,
            ),
        ),
        migrations.AddIndex(
            model_name="basemodel",
            index=GinIndex(fields=["former_ids"], name="base_model_former_ids"),
        ),
        migrations.RunSQL(KEEP, BACK),
    ]
