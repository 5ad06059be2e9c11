"""What left DRAFT never goes back there, is deleted with its whole shape only, and its shape keeps its name and model.

`delete_shape` says which shape it deletes, for its own transaction, in the setting `slipway.deleting_shape`.
"""

from django.db import migrations

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
        NEW.shape_id, NEW.version_id, NEW.digest, NEW.snapshot, NEW.launch_fields
    ) IS DISTINCT FROM (
        OLD.shape_id, OLD.version_id, OLD.digest, OLD.snapshot, OLD.launch_fields
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
CREATE FUNCTION catalog_keep_shape() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.account_id, NEW.shape_id, NEW.base_model_id) IS DISTINCT FROM
        (OLD.account_id, OLD.shape_id, OLD.base_model_id) THEN
        RAISE EXCEPTION 'shape % keeps its account, id and base model', OLD.shape_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER catalog_keep_shape BEFORE UPDATE ON catalog_trainingshape
    FOR EACH ROW EXECUTE FUNCTION catalog_keep_shape();
"""
BACK = """
DROP TRIGGER catalog_keep_shape ON catalog_trainingshape;
DROP FUNCTION catalog_keep_shape();
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0003_versions_in_work")]

    operations = [migrations.RunSQL(KEEP, BACK)]
