"""An audit entry stays as it was written, but for what is about a person: that may be forgotten, never replaced.

Its actor becomes NULL when that user is deleted; its address and agent become NULL and '' after a while.
"""

from django.db import migrations

LET_FORGET = """
CREATE OR REPLACE FUNCTION accounts_keep_audit_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE'
        AND to_jsonb(NEW) - ARRAY['actor_id', 'address', 'agent'] = to_jsonb(OLD) - ARRAY['actor_id', 'address', 'agent']
        AND (NEW.actor_id IS NULL OR NEW.actor_id = OLD.actor_id)
        AND (NEW.address IS NULL OR NEW.address = OLD.address)
        AND (NEW.agent = '' OR NEW.agent = OLD.agent)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit entry % is kept as it was written', OLD.id USING ERRCODE = 'restrict_violation';
END $$;
"""
KEEP = """
CREATE OR REPLACE FUNCTION accounts_keep_audit_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.actor_id IS NULL AND to_jsonb(NEW) - 'actor_id' = to_jsonb(OLD) - 'actor_id' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit entry % is kept as it was written', OLD.id USING ERRCODE = 'restrict_violation';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_sign_ins")]

    operations = [migrations.RunSQL(LET_FORGET, KEEP)]
