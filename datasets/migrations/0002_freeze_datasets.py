"""What was checked never changes, whoever tries: this trigger refuses, also to plain SQL."""

from django.db import migrations

FREEZE = """
CREATE FUNCTION datasets_freeze_dataset() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'READY' AND (
        NEW.uid, NEW.account_id, NEW.dataset_id, NEW.sha256, NEW.size_bytes, NEW.format, NEW.rows
    ) IS DISTINCT FROM (
        OLD.uid, OLD.account_id, OLD.dataset_id, OLD.sha256, OLD.size_bytes, OLD.format, OLD.rows
    ) THEN
        RAISE EXCEPTION 'dataset % is READY and is frozen', OLD.dataset_id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER datasets_freeze_dataset BEFORE UPDATE ON datasets_dataset
    FOR EACH ROW EXECUTE FUNCTION datasets_freeze_dataset();
"""
UNFREEZE = """
DROP TRIGGER datasets_freeze_dataset ON datasets_dataset;
DROP FUNCTION datasets_freeze_dataset();
"""


class Migration(migrations.Migration):
    dependencies = [("datasets", "0001_initial")]

    operations = [migrations.RunSQL(FREEZE, UNFREEZE)]
