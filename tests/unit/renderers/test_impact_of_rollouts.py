"""What an impact says of a changed declaration is what its roll-out then does: for generated ones and their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from examples import examples
from rowcast.core.impact import Impact
from rowcast.core.renderer import ExpressionError, ObjectName, RenderedRow, Renderer
from rowcast.core.rollout import Counts, Seen, Step, advance, begin, room, rows_wanted
from rowcast.core.shapes import Column, RowShape
from rowcast.renderers.cel import Language
from rowcast.renderers.declaration import read_renderer
from rowcast.renderers.rendering import render

SHAPE = RowShape({"id": Column("id", "int"), "size": Column("size", "int"), "zone": Column("zone", "string")})
LANGUAGE = Language(SHAPE)
Objects = dict[ObjectName, Mapping[str, Any]]
VALUES = ("same", "other", "${row.zone}", "${string(row.size)}", "${string(12 / row.size)}")
NAMES = ("a-${string(row.id)}", "b-${string(row.id)}", "${row.zone}-${string(row.id)}")
WHENS = ("true", "row.size > 1", "row.zone == 'eu'")
MANIFESTS = st.builds(
    lambda number, name, when, values: (number, name, when, values),
    st.integers(0, 2),
    st.sampled_from(NAMES),
    st.sampled_from(WHENS),
    st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(VALUES), max_size=2),
)
DECLARATIONS = st.lists(MANIFESTS, min_size=1, max_size=3, unique_by=lambda manifest: manifest[0])
ROWS = st.lists(
    st.fixed_dictionaries({"size": st.integers(0, 3), "zone": st.sampled_from(["eu", "us"])}), min_size=1, max_size=12
)
STEPS = st.lists(st.one_of(st.builds(Step, rows=st.integers(1, 5)), st.builds(Step, share=st.just(40.0))), max_size=2)


def declared(manifests: Sequence[tuple[int, str, str, Mapping[str, str]]]) -> Renderer:
    text = """
apiVersion: rowcast.dev/v1alpha1
kind: Renderer
metadata: {name: shops}
spec:
  source: {table: public.shops, key: [id]}
  name: shop-${string(row.id)}
  allow: {kinds: [ConfigMap]}
  manifests:
"""
    for number, name, when, values in manifests:
        data = ", ".join(f'{key}: "{value}"' for key, value in values.items())
        text += f"""
    - id: m{number}
      when: "{when}"
      template:
        apiVersion: v1
        kind: ConfigMap
        metadata: {{name: "m{number}-{name}"}}
        data: {{{data}}}
"""
    return read_renderer(text, SHAPE)


def rendering(renderer: Renderer, row: Mapping[str, Any]) -> RenderedRow | ExpressionError:
    try:
        return render(renderer, LANGUAGE, row)
    except ExpressionError as error:
        return error


def rolled_out(rows: Sequence[Mapping[str, Any]], place: dict[int, Objects], new: Renderer, steps: list[Step]) -> None:
    """Brings the rows to `new` by steps, each row delivered as a target does it: what can't be rendered stays."""
    rollout, at_new, now = begin(steps, 0, len(rows)), dict[int, int](), datetime(2026, 1, 1, tzinfo=UTC)
    while rollout.state != "done":
        counts = []
        for number, _ in enumerate(rollout.steps):
            its = [key for key, step in at_new.items() if step == number]
            failed = sum(isinstance(rendering(new, rows[key]), ExpressionError) for key in its)
            counts.append(Counts(len(its), len(its) - failed, len(its) - failed, failed))
        seen = Seen(len(rows), len(rows) - len(at_new), counts)
        rollout = advance(rollout, seen, now := now + timedelta(seconds=1))
        behind = [key for key, _ in enumerate(rows) if key not in at_new]
        for key in behind[: min(room(rollout, seen), rows_wanted(rollout.step, seen) or 0)]:
            at_new[key] = rollout.place
            wanted = rendering(new, rows[key])
            if isinstance(wanted, RenderedRow):
                place[key] = {each.object: each.content for each in wanted.manifests}


@examples(40)
@given(DECLARATIONS, DECLARATIONS, ROWS, STEPS)
def test_an_impact_says_what_a_rollout_then_does(
    before: Sequence[Any], after: Sequence[Any], values: Sequence[Mapping[str, Any]], steps: list[Step]
) -> None:
    old, new = declared(before), declared(after)
    rows = [{"id": number, **each} for number, each in enumerate(values)]
    impact = Impact(sample=len(rows))
    place: dict[int, Objects] = {}
    for key, row in enumerate(rows):
        was = rendering(old, row)
        # What could never be rendered has nothing there.
        place[key] = {each.object: each.content for each in was.manifests} if isinstance(was, RenderedRow) else {}
        impact.add(str(key), was, rendering(new, row))
    had = {key: dict(objects) for key, objects in place.items()}
    rolled_out(rows, place, new, steps)

    seen = impact.as_json()
    objects, counts = seen["objects"], dict.fromkeys(("new", "gone", "changed", "unchanged"), 0)
    changed = set()
    for key, there in place.items():
        if isinstance(rendering(new, rows[key]), ExpressionError):
            assert there == had[key]
            continue
        new_ones, gone = there.keys() - had[key].keys(), had[key].keys() - there.keys()
        unlike = {name for name in there.keys() & had[key].keys() if there[name] != had[key][name]}
        counts["new"] += len(new_ones)
        counts["gone"] += len(gone)
        counts["changed"] += len(unlike)
        counts["unchanged"] += len(there) - len(new_ones) - len(unlike)
        if new_ones or gone or unlike:
            changed.add(str(key))
    assert objects["made"] + objects["moved"] == counts["new"]
    assert objects["removed"] + objects["moved"] == counts["gone"]
    assert (objects["changed"], objects["unchanged"]) == (counts["changed"], counts["unchanged"])
    assert seen["changed_rows"] == len(changed)
    assert seen["failed_rows"] == sum(isinstance(rendering(new, row), ExpressionError) for row in rows)
    named = {example["key"] for group in seen["groups"] for example in group["examples"]}
    assert named == changed
    for group in (group for group in seen["groups"] if group["action"] == "changed"):
        for example in group["examples"]:
            its = {str(name): content for name, content in place[int(example["key"])].items()}[example["object"]]
            assert its["data"].get(group["path"].removeprefix("data."), ...) == example.get("after", ...)
