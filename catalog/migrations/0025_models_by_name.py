"""A base model has its account's id beside its own, so that one index has all of them in the order of their names.

Triggers keep it, since the release before writes base models without it.
"""

from django.contrib.postgres.indexes import GinIndex
from django.db import migrations, models

NAME = """
CREATE FUNCTION catalog_name_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT account_id INTO NEW.account_slug FROM accounts_account WHERE id = NEW.account_id;
    NEW.account_slug = coalesce(NEW.account_slug, '');  -- the foreign key refuses it
    RETURN NEW;
END $$;
CREATE TRIGGER catalog_name_account BEFORE INSERT OR UPDATE ON catalog_basemodel
    FOR EACH ROW EXECUTE FUNCTION catalog_name_account();
CREATE FUNCTION catalog_rename_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE catalog_basemodel SET account_slug = NEW.account_id WHERE account_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER catalog_rename_account AFTER UPDATE OF account_id ON accounts_account
    FOR EACH ROW WHEN (NEW.account_id <> OLD.account_id) EXECUTE FUNCTION catalog_rename_account();
UPDATE catalog_basemodel SET account_slug = '';
"""
UNNAME = """
DROP TRIGGER catalog_rename_account ON accounts_account;
DROP FUNCTION catalog_rename_account();
DROP TRIGGER catalog_name_account ON catalog_basemodel;
DROP FUNCTION catalog_name_account();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0010_vouched_for"), ("catalog", "0024_index_lists")]

    operations = [
        migrations.AddField(
            model_name="basemodel",
            name="account_slug",
            field=models.CharField(
                db_default="",
                editable=False,
                help_text="The account's id, by which lists sort: kept by the database.",
                max_length=63,
            ),
        ),
        migrations.RunSQL(NAME, UNNAME),
        migrations.AddIndex(
            model_name="basemodel",
            index=models.Index(fields=["account_slug", "model_id", "id"], name="base_models_by_name"),
        ),
        migrations.AddIndex(
            model_name="basemodel",
            index=models.Index(fields=["created_at", "id"], name="base_models_by_time"),
        ),
        migrations.AddIndex(
            model_name="basemodel",
            index=models.Index(fields=["account_slug", "created_at", "id"], name="base_models_of_account_by_time"),
        ),
        migrations.AddIndex(
            model_name="basemodel",
            index=GinIndex(fields=["title"], name="base_model_title_trigrams", opclasses=["gin_trgm_ops"]),
        ),
    ]
