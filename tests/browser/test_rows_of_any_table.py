"""What a person sees of a table that is not ours, on the real platform: its declaration, its rows, one of them."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

import pictures
from dashboard import Dashboard
from tenants import EXAMPLE, applied
from world import World

CHANGED = (EXAMPLE / "tenants.yaml").read_text().replace("'5' : '1'", "'6' : '2'")


def test_from_the_declaration_of_a_table_to_one_of_its_rows_and_what_became_of_it(
    ada: Dashboard, world: World, tmp_path: Path
) -> None:
    with applied(world) as tenants:
        tenants.synced("acme", "tiny")
        ada.go("Renderers")
        ada.sees("public.tenants")
        pictures.take(ada.page, "renderers", "All renderers")
        ada.click("tenants")
        ada.titled("tenants")
        ada.sees("team-${row.slug}")
        pictures.take(ada.page, "renderer", "One renderer: its declaration", height=1500)
        ada.tab("Impact")
        ada.write("Declaration", CHANGED)
        ada.click("See the impact")
        ada.sees("2 of 2 rows would change, from revision ")
        ada.sees("services.loadbalancers")
        pictures.take(ada.page, "impact", "What a changed declaration would do to all rows", height=1500)

        file = tmp_path / "tenants.yaml"
        file.write_text(CHANGED)
        world.rowcast("renderer", "apply", "--no-assign", str(file))
        with world.api() as api:
            kept = api.get("/renderers/tenants/revisions").json()["items"][0]["revision"]
        ada.tab("Roll-outs")
        ada.click("Roll out a revision")
        ada.write("Value of step 1", "1")
        ada.write("Each step holds (s)", "0")
        ada.sees(f"Revision {kept} goes to 2 rows in 3 steps: 1 row → 25 % of all rows → all rows.")
        pictures.take(ada.page, "rollout-start", "How a revision is to be rolled out", height=1000)
        ada.click("Start it")
        ada.sees("3 of 3 steps, 2 of 2 rows ready")
        pictures.take(ada.page, "rollout", "A roll-out and its steps")
        ada.click("Roll-outs of tenants")
        ada.page.get_by_test_id("stMain").get_by_role("link", name="2 rows").click()
        ada.titled("Rows")
        expect(ada.row("acme")).to_contain_text("synced")
        ada.field("Search").fill("tiny")
        expect(ada.row("acme")).to_have_count(0)
        # The page is drawn down to its end: nothing moves under the pointer any more.
        ada.sees("1-1 of 1")
        expect(ada.row("tiny")).to_have_attribute("aria-rowindex", "2")
        ada.choose_row("tiny")
        key = tenants.rows()["tiny"]["key"]
        ada.titled(key)
        expect(ada.page).to_have_url(re.compile(rf"/rows\?renderer=tenants&key={key}$"))
        ada.green(tenants.generation("tiny"))

        tenants.run("UPDATE tenants SET cpu = 16 WHERE slug = 'tiny'")
        ada.sees("saved generation")
        ada.click("Show it")
        ada.green(tenants.generation("tiny"))
