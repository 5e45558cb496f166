"""No secret is ever in what a run tells, keeps or holds as data."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from laws import law
from meant_destinations import CANARY, Meant, changed, meant, spelled
from reconciliation import Reconciliation, reconciliation
from switches_for_clients import behaviours

from reconciler.report.apply_json import applied_data
from reconciler.report.junit import plan_junit
from reconciler.report.plan_json import plan_data
from reconciler.report.plan_markdown import plan_markdown
from reconciler.report.plan_text import Detail, plan_text
from reconciler.report.terraform_json import terraform_plan
from reconciler.report.terraform_text import terraform_text

WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def told(account: Reconciliation) -> str:
    """All that a plan and the latest apply come to: data, documents, text, memory."""
    planned = account.plan()
    texts = [repr(planned), account.kept, repr(account.applied)]
    texts += [plan_text(planned.plan, detail, 100).plain for detail in Detail]
    texts.append(json.dumps(plan_data(planned.plan), default=str))
    texts.append(json.dumps(terraform_plan(planned.plan, WHEN, {}), default=str))
    texts += [terraform_text(planned.plan), plan_junit(planned.plan, "specs/reconciler.yaml")]
    texts.append(plan_markdown(planned.plan, "specs/reconciler.yaml", lambda path, line: None))
    if account.applied is not None:
        texts.append(json.dumps(applied_data(account.applied), default=str))
    return "\n".join(texts)


@law(60)
@given(st.data(), behaviours, st.lists(meant(), min_size=1, max_size=2))
def test_no_secret_is_told_or_kept(
    data: st.DataObject, behaviour: dict[str, Any], pairs: list[Meant]
) -> None:
    with reconciliation(**behaviour) as account:
        for each in (pairs, [data.draw(changed(one)) for one in pairs]):
            account.declare(
                {
                    f"pair_{number}": {
                        "destination": spelled(data.draw, one, f"pair_{number}", account.secrets)
                    }
                    for number, one in enumerate(each)
                }
            )
            assert CANARY not in told(account)
            account.apply()
            assert CANARY not in told(account)
