"""Check that no secret is in the output, the state or the data of a run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from client_switches import behaviours
from destination_strategies import CANARY, DestinationModel, destination_models, edited_models, write_block
from hypothesis import strategies as st
from hypothesis_settings import check_examples
from in_process_harness import InProcessProject, open_project
from plan_pages import render_page

from reconciler.report.apply import serialize_apply_result
from reconciler.report.junit import render_plan_junit
from reconciler.report.plan_json import serialize_plan
from reconciler.report.plan_markdown import render_plan_markdown
from reconciler.report.plan_text import Detail, render_plan_text
from reconciler.report.terraform_json import build_terraform_plan
from reconciler.report.terraform_text import render_terraform_plan

TIME = datetime(2026, 1, 1, tzinfo=UTC)


def collect_output(account: InProcessProject) -> str:
    """Collect all data, documents, texts and the state of a plan and the latest apply."""
    planned = account.plan()
    texts = [repr(planned), account.state_text, repr(account.applied)]
    texts += [render_plan_text(planned.plan, detail, 100).plain for detail in Detail]
    texts.append(json.dumps(serialize_plan(planned.plan), default=str))
    texts.append(json.dumps(build_terraform_plan(planned.plan, TIME, {}), default=str))
    texts += [render_terraform_plan(planned.plan), render_plan_junit(planned.plan, "specs/reconciler.yaml")]
    texts.append(render_plan_markdown(planned.plan, "specs/reconciler.yaml", lambda path, line: None))
    texts.append(render_page(planned.plan))
    if account.applied is not None:
        texts.append(json.dumps(serialize_apply_result(account.applied), default=str))
    return "\n".join(texts)


@check_examples(
    st.data(), behaviours, st.lists(destination_models(), min_size=1, max_size=2), few=12, many=60
)
def test_no_secret_is_shown_or_stored(
    data: st.DataObject, behaviour: dict[str, Any], pairs: list[DestinationModel]
) -> None:
    with open_project(**behaviour) as account:
        for each in (pairs, [data.draw(edited_models(one)) for one in pairs]):
            account.declare(
                {
                    f"pair_{number}": {
                        "destination": write_block(data.draw, one, f"pair_{number}", account.secrets)
                    }
                    for number, one in enumerate(each)
                }
            )
            assert CANARY not in collect_output(account)
            account.apply()
            assert CANARY not in collect_output(account)
