"""An audit entry never changes and is never deleted, whoever tries: this trigger refuses, also to plain SQL.

One thing may happen to it: its actor becomes NULL when that user is deleted; the label stays.
"""

from django.db import migrations

KEEP = """
CREATE FUNCTION accounts_keep_audit_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.actor_id IS NULL AND to_jsonb(NEW) - 'actor_id' = to_jsonb(OLD) - 'actor_id' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit entry % is kept as it was written', OLD.id USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER accounts_keep_audit_entry BEFORE UPDATE OR DELETE ON accounts_auditentry
    FOR EACH ROW EXECUTE FUNCTION accounts_keep_audit_entry();
"""
LET_GO = """
DROP TRIGGER accounts_keep_audit_entry ON accounts_auditentry;
DROP FUNCTION accounts_keep_audit_entry();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [migrations.RunSQL(KEEP, LET_GO)]
