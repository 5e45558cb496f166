"""A pull request whose new destination has a server that Fivetran does not trust, and the pull request that pins it."""

from __future__ import annotations

from pathlib import Path

from certificate_chain import make_chain
from command_line import run
from git_repo import run_git
from pipelines.account_process import AccountProcess
from pipelines.git_server import Branch, Edit, GitServer, write_file

CHAIN = make_chain("acme")
ROOT_HASH = CHAIN[-1].hash
_SPEC = "specs/groups/marketing.yaml"
ADD_DATABASE = write_file(
    _SPEC,
    """\
version: 1
groups:
  marketing:
    destination:
      service: postgres_warehouse
      region: AWS_US_EAST_1
      time_zone_offset: "+1"
      trust:
        certificates:
          # The pins of the servers stand here.
          - "hYNxhpzsHeP7Hc8Jd9qQBPyAne0gTeGk2SM7deg5kbo="
      config:
        host: db.acme.example
        port: 5432
        database: marketing
        user: fivetran
        password: {secret: "env:MARKETING_KEY"}
        connection_type: Directly
""",
)


def present_untrusted(account: AccountProcess) -> None:
    """Let the server of the new destination present a chain that Fivetran does not trust."""
    account.present_certificate("marketing", CHAIN)


def pin_root(project: str) -> Edit:
    """Return an edit by `trust pin`, as a developer runs it: in a clone, without any key or secret."""

    def edit(folder: Path) -> None:
        options = ("--project", project, "destination.marketing", ROOT_HASH)
        pinned = run("trust", "pin", *options, directory=folder)
        assert pinned.code == 0, pinned.out + pinned.err

    return edit


def check_waiting(text: str) -> None:
    """Check that a log or a comment says what waits, and how to go on."""
    assert "destination.marketing waits for the approval of a certificate" in text
    assert all(certificate.hash in text for certificate in CHAIN)
    assert "`reconciler trust pin destination.marketing`" in text


def check_pull(forge: GitServer, branch: Branch, text: str) -> None:
    """Check that the last commit of a branch adds one line, the pin, and that the plan in `text` has the approval."""
    changed = run_git(forge.bare_repo, "diff", "--unified=0", f"{branch.head}^", branch.head).splitlines()
    (line,) = (each for each in changed if each[:1] in "+-" and each[:3] not in ("+++", "---"))
    assert line == f'+          - "{ROOT_HASH}"  # CN=acme root, expires 2049-12-31'
    assert "approve" in text
    assert f"certificate {ROOT_HASH}" in text
    assert "groups/marketing.yaml:12" in text
    assert "Plan: 0 to add, 0 to change, 0 to destroy." in text
    assert "1 certificate to approve" in text


def check_approved(account: AccountProcess, log: str) -> None:
    """Check that an apply has approved the root, and that the destination is connected."""
    assert f"certificate  approved  {ROOT_HASH}" in log
    assert "setup tests  4 passed" in log
    assert "Checked: a new plan is empty." in log
    assert account.list_approved("marketing") == [ROOT_HASH]
    assert account.get_groups()["marketing"]["destination"]["setup_status"] == "connected"
