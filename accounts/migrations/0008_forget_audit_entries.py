"""Let entries of the audit log go where their time is over: to a transaction that sets slipway.forgetting, and no other.

The index finds the oldest of all accounts.
"""

from django.db import migrations, models

CHECKS = """
    IF TG_OP = 'UPDATE'
        AND to_jsonb(NEW) - ARRAY['actor_id', 'address', 'agent'] = to_jsonb(OLD) - ARRAY['actor_id', 'address', 'agent']
        AND (NEW.actor_id IS NULL OR NEW.actor_id = OLD.actor_id)
        AND (NEW.address IS NULL OR NEW.address = OLD.address)
        AND (NEW.agent = '' OR NEW.agent = OLD.agent)
    THEN
        RETURN NEW;
    END IF;
"""
FUNCTION = """
CREATE OR REPLACE FUNCTION accounts_keep_audit_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
{checks}
    RAISE EXCEPTION 'audit entry % is kept as it was written', OLD.id USING ERRCODE = 'restrict_violation';
END $$;
"""
FORGET = """
    IF TG_OP = 'DELETE' AND current_setting('slipway.forgetting', true) = 'on' THEN
        RETURN OLD;
    END IF;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_ask_about_versions")]

    operations = [
        migrations.RunSQL(FUNCTION.format(checks=CHECKS + FORGET), FUNCTION.format(checks=CHECKS)),
        migrations.AddIndex(
            model_name="auditentry", index=models.Index(fields=["created_at"], name="audit_by_age")
        ),
    ]
