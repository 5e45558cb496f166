"""Projects and accounts whose plans have a known number of changes, for outputs that depend on the size of a plan."""

from __future__ import annotations

from dataclasses import dataclass

from applied_project import AppliedProject

from reconciler.emulator.setup_tests import SetupTest

WAREHOUSE = """\
  {key}:
    destination:
      service: snowflake
      region: AWS_US_EAST_1
      time_zone_offset: "-5"
      config:
        host: acme.snowflakecomputing.com
        port: 443
        database: {database}
        user: LOADER
        role: FIVETRAN_ROLE
        password: {{secret: "env:{secret}"}}
"""
NEW = """\
  {key}:
    destination:
      service: big_query
      region: GCP_US_EAST4
      time_zone_offset: "0"
      config: {{project_id: acme, data_set_location: US}}
"""
TEAMS = ("billing", "crm", "finance", "growth", "legal", "logistics", "marketing", "orders", "people", "web")
STAGES = ("dev", "prod", "qa", "test")
PASSWORDS = {"LOADER_PASSWORD": "loader-one", "SHARED_PASSWORD": "shared-one"}
_FAILED = SetupTest("Permission Test", "FAILED", "no access")


@dataclass(frozen=True)
class Sizes:
    """Numbers of entries by the change that a plan has for them.

    The role of `equal` entries was changed at Fivetran to the same other role. `single` entries have another database
    each, the shared password of `rotated` entries has changed, the user and the port of `double` entries. `new` and
    `removed` entries are two changes each. The setup tests of `untested` entries failed.
    """

    equal: int = 0
    single: int = 0
    rotated: int = 0
    double: int = 0
    new: int = 0
    removed: int = 0
    untested: int = 0
    unchanged: int = 0

    @property
    def changes(self) -> int:
        """Return the number of changes of the plan."""
        pairs = self.new + self.removed
        return self.equal + self.single + self.rotated + self.double + self.untested + 2 * pairs


SIZES = {
    0: Sizes(unchanged=6),
    1: Sizes(single=1, unchanged=5),
    42: Sizes(16, 8, 7, 1, 1, 1, 6, unchanged=3),
    500: Sizes(300, 80, 20, 10, 15, 0, 60),
}


def prepare_changes(example: AppliedProject, sizes: Sizes) -> None:
    """Apply a project, then change its specs, its account and its secrets so that a plan has changes of these sizes."""
    example.environ.update(PASSWORDS)
    example.write_settings("limits: {changed_fraction: 1}\n")
    entries = _write_entries(sizes)
    example.write_specs("".join(text for texts in entries.values() for text in texts.values()))
    for key in entries["untested"]:
        example.dashboard.script_setup_tests(group_name=key, finally_always=[_FAILED])
    result = example.apply("--parallelism", "1")  # ids depend on it
    assert result.exit in {0, 6}, result.stderr
    for key in entries["equal"]:
        example.dashboard.change_destination(example.find_id(key), config={"role": "ACCOUNTADMIN"})
    example.environ["SHARED_PASSWORD"] = "shared-two"
    removed = [f"  - {{group: {key}, id: {example.find_id(key)}}}\n" for key in entries.pop("removed")]
    for key, text in entries["single"].items():
        entries["single"][key] = text.replace(f"database: {key.upper()}", f"database: {key.upper()}_2027")
    for key, text in entries["double"].items():
        entries["double"][key] = text.replace("port: 443", "port: 8443").replace(
            "user: LOADER", "user: FIVETRAN"
        )
    declared = "".join(text for texts in entries.values() for text in texts.values())
    new = "".join(NEW.format(key=f"new_{number:02}") for number in range(1, sizes.new + 1))
    example.write_specs(declared + new, "".join(removed))


def _write_entries(sizes: Sizes) -> dict[str, dict[str, str]]:
    """Write the existing entries, by their change and key. The kinds are mixed, as in a real account."""
    kinds = {name: getattr(sizes, name) for name in (*_EXISTING, "unchanged")}
    total = sum(kinds.values())
    # The kind that is the furthest behind is next, so every kind is spread over all keys.
    counts = dict.fromkeys(kinds, 0)
    entries: dict[str, dict[str, str]] = {name: {} for name in kinds}
    for number in range(total):
        kind = max(kinds, key=lambda name: kinds[name] * (number + 1) / total - counts[name])
        counts[kind] += 1
        key = _name_entry(number)
        entries[kind][key] = WAREHOUSE.format(
            key=key,
            database=key.upper(),
            secret="SHARED_PASSWORD" if kind == "rotated" else "LOADER_PASSWORD",
        )
    return entries


_EXISTING = ("equal", "single", "rotated", "double", "removed", "untested")


def _name_entry(number: int) -> str:
    """Name an entry: `billing_dev`, and `billing_dev_2` for the second round."""
    turn, place = divmod(number, len(TEAMS) * len(STAGES))
    name = f"{TEAMS[place // len(STAGES)]}_{STAGES[place % len(STAGES)]}"
    return f"{name}_{turn + 1}" if turn else name
