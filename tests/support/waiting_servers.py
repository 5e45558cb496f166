"""Projects whose destinations wait for the approval of a certificate or an SSH host key."""

from __future__ import annotations

from typing import Any

from applied_project import AppliedProject

KEY_LINE = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl bastion of the tests"
)
BARE_KEY = KEY_LINE.removesuffix(" bastion of the tests")
DIRECT = """\
  {key}:  # owned by sales
    destination:
      service: postgres_warehouse
      time_zone_offset: "0"
      {trust}
      config: {{host: db.acme.example, port: 5432, user: loader, database: warehouse, connection_type: {way},
        password: {{secret: "env:DB_PASSWORD"}}}}
"""
TUNNEL = "SshTunnel, tunnel_host: b.acme.example, tunnel_port: 22, tunnel_user: u, always_encrypted: true"
SPEC = "specs/groups/main.yaml"
SECRETS = {"DB_PASSWORD": "correct horse"}


def write_entry(key: str = "sales", *, trust: str = "# no trust yet", is_tunnelled: bool = False) -> str:
    """Write the entry of a group whose database is the emulated network's."""
    return DIRECT.format(key=key, trust=trust, way=TUNNEL if is_tunnelled else "Directly")


class WaitingProject(AppliedProject):
    """Project with an entry `sales`, whose server has an untrusted chain: the certificate of the server, then its
    root."""

    def let_wait(
        self, entries: str = "", *, settings: str = "", host_key: str | None = None
    ) -> tuple[str, ...]:
        """Apply entries, by default `sales` alone, whose servers nobody trusts. Returns the hashes of the chain."""
        self.environ |= SECRETS
        hashes = self.dashboard.present_certificate(group_name="sales")
        if host_key is not None:
            self.dashboard.present_host_key(host_key, group_name="sales")
        self.write_settings(settings)
        self.write_specs(entries or write_entry(is_tunnelled=host_key is not None))
        result = self.apply()
        assert result.exit == 7, result.stdout + result.stderr
        return hashes

    def read(self, name: str = SPEC) -> str:
        """Read a file of the project, with its line ends."""
        return (self.folder / name).read_bytes().decode()

    def pin(self, *arguments: str) -> Any:
        """Pin as JSON. Returns the document."""
        result = self.run("trust", "pin", *arguments, "--format", "json")
        assert result.exit == 0, result.stdout + result.stderr
        return result.document

    def list_pins(self, key: str = "sales") -> list[str]:
        """List the pins of an entry, as the specs write them."""
        listed = self.run("trust", "list", key, "--format", "json").document
        [destination] = listed["destinations"]
        return [each["pin"]["source"] for each in destination["servers"] if each["pin"]]
