"""Frozen is the text that the digest is of, not only its value: 1 and 1.0 are equal as jsonb, and are not the same.

TRUNCATE passes by what watches rows, so it is refused, too, but where the connection sets `slipway.truncating`: the
tests empty their tables by it.
"""

from django.db import migrations, models
from django.db.models.fields.json import KeyTransform

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
        NEW.shape_id, NEW.version_id, NEW.digest, NEW.snapshot::text, NEW.launch_fields::text
    ) IS DISTINCT FROM (
        OLD.shape_id, OLD.version_id, OLD.digest, OLD.snapshot::text, OLD.launch_fields::text
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
CREATE FUNCTION catalog_keep_versions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('slipway.truncating', true) IS DISTINCT FROM 'on' THEN
        RAISE EXCEPTION 'shape versions are kept; delete shapes one by one' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER catalog_keep_versions BEFORE TRUNCATE ON catalog_shapeversion
    FOR EACH STATEMENT EXECUTE FUNCTION catalog_keep_versions();
"""
BACK = """
DROP TRIGGER catalog_keep_versions ON catalog_shapeversion;
DROP FUNCTION catalog_keep_versions();
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0005_lists_by_time")]

    operations = [
        migrations.RunSQL(KEEP, BACK),
        migrations.AddIndex(
            model_name="shapeversion",
            index=models.Index(KeyTransform("deploymentShapeVersion", "snapshot"), name="versions_by_deployment_shape"),
        ),
    ]
