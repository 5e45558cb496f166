"""Edits of the examples."""

from __future__ import annotations

from pipelines.git_server import replace_text, write_file

SALES_FILE = "specs/groups/sales.yaml"
RENAME_DATABASE = replace_text(SALES_FILE, "database: SALES\n", "database: SALES_2027\n")
ADD_MARKETING = write_file(
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
ADD_EXTRA = write_file("specs/groups/extra.yaml", "version: 1\ngroups:\n  extra: {}\n")
