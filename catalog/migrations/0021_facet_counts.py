"""What the catalog counts, kept by triggers: each write adds what it changed, and a recount adds it all up."""

import django.db.models.deletion
from django.db import migrations, models

KINDS = """
    s.account_id, v.is_public, m.family, m.architecture, m.runs_here, v.trainer_mode,
    CASE WHEN v.snapshot @> '{"hideSpecs": true}' THEN 'unspecified' WHEN v.gpus = 0 THEN 'none'
         ELSE coalesce(v.accelerator_type, 'unspecified') END AS accelerator,
    v.max_context, v.gpus
"""
FACETS = "account_id, is_public, family, architecture, runs_here, trainer_mode, accelerator, max_context, gpus"
LISTED = "v.is_latest_validated AND v.trainer_mode IS NOT NULL"  # of training shapes
MOVED = """(new_rows.family, new_rows.architecture, new_rows.runs_here)
    IS DISTINCT FROM (old_rows.family, old_rows.architecture, old_rows.runs_here)"""


def _each(table: str, having: str) -> str:
    """A join that looks each row up, and is never turned round.

    The statistics of a young table say that it is empty. Whoever believes them joins it first, and reads all that was
    written again for each of its rows: minutes for 5,000 versions.
    """
    return f"CROSS JOIN LATERAL (SELECT * FROM {table} WHERE {having} OFFSET 0)"


OF_MODELS = f"""
    SELECT {KINDS}, n FROM (
        SELECT new_rows.*, 1 AS n FROM new_rows JOIN old_rows USING (id) WHERE {MOVED}
        UNION ALL SELECT old_rows.*, -1 FROM new_rows JOIN old_rows USING (id) WHERE {MOVED}
    ) m
    {_each("catalog_trainingshape", "base_model_id = m.id")} s
    {_each("catalog_shapeversion", "shape_id = s.id")} v
    WHERE {LISTED}
"""


def _of_versions(rows: str) -> str:
    return f"""
    SELECT {KINDS}, n FROM ({rows}) v
    {_each("catalog_trainingshape", "id = v.shape_id")} s
    {_each("catalog_basemodel", "id = s.base_model_id")} m
    WHERE {LISTED}
    """


def _add(changed: str) -> str:
    """Add what changed; what stays as it was comes to nothing."""
    return f"""INSERT INTO catalog_facetcount ({FACETS}, shapes)
    SELECT {FACETS}, sum(n) FROM ({changed}) changed GROUP BY {FACETS} HAVING sum(n) <> 0;"""


def _planned(statement: str) -> str:
    """As a text, which is planned each time: a plan kept from empty tables would scan full ones."""
    return f"EXECUTE $sql${statement}$sql$;"


NEW, OLD = "SELECT *, 1 AS n FROM new_rows", "SELECT *, -1 AS n FROM old_rows"
ALL = "SELECT *, 1 AS n FROM catalog_shapeversion"
COUNT = f"""
CREATE FUNCTION catalog_count_versions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN {_planned(_add(_of_versions(NEW)))}
    ELSIF TG_OP = 'DELETE' THEN {_planned(_add(_of_versions(OLD)))}
    ELSE {_planned(_add(_of_versions(f"{NEW} UNION ALL {OLD}")))}
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION catalog_count_models() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {_planned(_add(OF_MODELS))}
    RETURN NULL;
END $$;
CREATE TRIGGER catalog_count_new AFTER INSERT ON catalog_shapeversion
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog_count_versions();
CREATE TRIGGER catalog_count_changed AFTER UPDATE ON catalog_shapeversion
    REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog_count_versions();
CREATE TRIGGER catalog_count_deleted AFTER DELETE ON catalog_shapeversion
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog_count_versions();
CREATE TRIGGER catalog_count_models AFTER UPDATE ON catalog_basemodel
    REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION catalog_count_models();
CREATE FUNCTION catalog_recount() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('catalog_recount'));  -- what waits here looks at the rows anew behind it
    {_planned(f"WITH before AS (DELETE FROM catalog_facetcount) {_add(_of_versions(ALL))}")}
END $$;
SELECT catalog_recount();
"""
UNCOUNT = """
DROP FUNCTION catalog_recount();
DROP TRIGGER catalog_count_models ON catalog_basemodel;
DROP TRIGGER catalog_count_deleted ON catalog_shapeversion;
DROP TRIGGER catalog_count_changed ON catalog_shapeversion;
DROP TRIGGER catalog_count_new ON catalog_shapeversion;
DROP FUNCTION catalog_count_models();
DROP FUNCTION catalog_count_versions();
"""


class Migration(migrations.Migration):

    dependencies = [("accounts", "0007_ask_about_versions"), ("catalog", "0020_deployment_shapes")]

    operations = [
        migrations.CreateModel(
            name="FacetCount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("is_public", models.BooleanField()),
                ("family", models.CharField(max_length=63)),
                ("architecture", models.CharField(blank=True, max_length=8)),
                ("runs_here", models.BooleanField()),
                ("trainer_mode", models.CharField(max_length=24)),
                ("accelerator", models.CharField(help_text="A value of the filter, not of the version's column.", max_length=32)),
                ("max_context", models.IntegerField()),
                ("gpus", models.IntegerField()),
                ("shapes", models.IntegerField(help_text="To be added; less than none where some left.")),
                ("account", models.ForeignKey(help_text="The shapes' own.", on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account")),
            ],
        ),
        migrations.AddIndex(model_name="basemodel", index=models.Index(fields=["family", "position"], name="base_models_by_family")),
        migrations.RunSQL(COUNT, UNCOUNT),
    ]
