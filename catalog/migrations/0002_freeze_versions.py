"""A version never changes once it has left DRAFT, whoever tries: this trigger refuses, also to plain SQL."""

from django.db import migrations

FREEZE = """
CREATE FUNCTION catalog_freeze_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.state IN ('VALIDATED', 'VALIDATING') THEN
            RAISE EXCEPTION 'shape version % is % and is kept', OLD.version_id, OLD.state
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN OLD;
    END IF;
    IF OLD.state <> 'DRAFT' AND (
        NEW.shape_id, NEW.version_id, NEW.digest, NEW.snapshot, NEW.launch_fields
    ) IS DISTINCT FROM (
        OLD.shape_id, OLD.version_id, OLD.digest, OLD.snapshot, OLD.launch_fields
    ) THEN
        RAISE EXCEPTION 'shape version % left DRAFT and is frozen', OLD.version_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER catalog_freeze_version BEFORE UPDATE OR DELETE ON catalog_shapeversion
    FOR EACH ROW EXECUTE FUNCTION catalog_freeze_version();
"""
UNFREEZE = """
DROP TRIGGER catalog_freeze_version ON catalog_shapeversion;
DROP FUNCTION catalog_freeze_version();
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_initial")]

    operations = [migrations.RunSQL(FREEZE, UNFREEZE)]
