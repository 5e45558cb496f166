"""What people change in the examples."""

from __future__ import annotations

from pipelines.forge import replaced, written

SALES = "specs/groups/sales.yaml"
A_DATABASE = replaced(SALES, "database: SALES\n", "database: SALES_2027\n")
MARKETING = written(
    "specs/groups/marketing.yaml",
    """\
version: 1
groups:
  marketing:
    destination:
      service: big_query
      region: GCP_EUROPE_WEST3
      time_zone_offset: "+1"
      config:
        project_id: acme-marketing
        data_set_location: EU
        secret_key: {secret: "env:MARKETING_KEY"}
""",
)
EXTRA = written("specs/groups/extra.yaml", "version: 1\ngroups:\n  extra: {}\n")
