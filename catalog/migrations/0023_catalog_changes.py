"""That the catalog is another one than before, noted by triggers: each write adds a number, and a recount starts anew."""

from django.db import migrations, models

ADD = "INSERT INTO catalog_catalogchange (number) VALUES ((random() * 9007199254740992)::bigint)"
TABLES = ("catalog_basemodel", "catalog_trainingshape", "catalog_shapeversion")
ROWS = {
    "INSERT": ("new", "NEW TABLE AS rows"),
    "UPDATE": ("changed", "NEW TABLE AS rows"),
    "DELETE": ("deleted", "OLD TABLE AS rows"),
}
TRIGGERS = "".join(
    f"""CREATE TRIGGER catalog_note_{name} AFTER {event} ON {table}
    REFERENCING {rows} FOR EACH STATEMENT EXECUTE FUNCTION catalog_note_change();
"""
    for table in TABLES
    for event, (name, rows) in ROWS.items()
)
NOTE = f"""
CREATE FUNCTION catalog_note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM rows) THEN {ADD}; END IF;
    RETURN NULL;
END $$;
{TRIGGERS}
CREATE FUNCTION catalog_renote() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM catalog_catalogchange;
    {ADD};
END $$;
SELECT catalog_renote();
"""
FORGET = (
    "DROP FUNCTION catalog_renote();"
    + "".join(f"DROP TRIGGER catalog_note_{name} ON {table};" for table in TABLES for name, _ in ROWS.values())
    + "DROP FUNCTION catalog_note_change();"
)


class Migration(migrations.Migration):

    dependencies = [("catalog", "0022_index_deprecated")]

    operations = [
        migrations.CreateModel(
            name="CatalogChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.BigIntegerField()),
            ],
        ),
        migrations.RunSQL(NOTE, FORGET),
    ]
