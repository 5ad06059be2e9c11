"""A version says which edition of the common launch fields it narrows, which is frozen with it. Those that exist: 1."""

from django.db import migrations, models

KEEP = """
CREATE OR REPLACE FUNCTION catalog_freeze_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.state NOT IN ('DRAFT', 'REJECTED')
            AND current_setting('slipway.deleting_shape', true) IS DISTINCT FROM OLD.shape_id::text THEN
            RAISE EXCEPTION 'shape version % is % and is kept', OLD.version_id, OLD.state
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN OLD;
    END IF;
    IF OLD.state <> 'DRAFT' AND NEW.state = 'DRAFT' OR OLD.state = 'VALIDATED' AND NEW.state <> 'VALIDATED' THEN
        RAISE EXCEPTION 'shape version % is % and cannot be % again', OLD.version_id, OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state <> 'DRAFT' AND (
        NEW.shape_id, NEW.version_id, NEW.digest, NEW.snapshot::text, NEW.launch_fields::text, NEW.fields_edition
    ) IS DISTINCT FROM (
        OLD.shape_id, OLD.version_id, OLD.digest, OLD.snapshot::text, OLD.launch_fields::text, OLD.fields_edition
    ) THEN
        RAISE EXCEPTION 'shape version % left DRAFT and is frozen', OLD.version_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.withdrawn_at IS NOT NULL AND NEW.withdrawn_at IS NULL OR OLD.is_public AND NOT NEW.is_public THEN
        RAISE EXCEPTION 'shape version % was made public or withdrawn for good', OLD.version_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    NEW.updated_at = clock_timestamp();
    RETURN NEW;
END $$;
"""
BACK = KEEP.replace(", NEW.fields_edition", "").replace(", OLD.fields_edition", "")


class Migration(migrations.Migration):
    dependencies = [("catalog", "0010_successor_version")]
    operations = [
        migrations.AddField(
            model_name="shapeversion",
            name="fields_edition",
            field=models.PositiveSmallIntegerField(
                db_default=1, help_text="Of `catalog.fields.launch_fields`: the edition of the common set that it narrows."
            ),
        ),
        migrations.RunSQL(KEEP, BACK),
    ]
