from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowcast.core.errors import PermanentError
from rowcast.core.events import PLACEHOLDER, Change, Op, decode, encode
from rowcast.core.row import app_config
from unit.core.changes import captured, event, row


@pytest.mark.parametrize("op", ["c", "u", "r"])
def test_a_change_carries_the_row_after_it(op: str) -> None:
    change = decode(event(op, row_id=42, generation=7, name="cart", lsn=99))

    assert (change.op, int(change.row.key), change.state.generation, change.state.name) == (Op(op), 42, 7, "cart")
    assert (change.row, change.lsn, change.deleted) == (app_config(42), 99, False)
    assert change.saved_at == "2026-11-22T15:42:27.284Z"


def test_a_deletion_carries_the_row_before_it() -> None:
    change = decode(event("d", row_id=42, generation=8))

    assert change.deleted
    assert (int(change.row.key), change.state.generation) == (42, 8)


def test_a_row_under_a_temporary_name_is_still_known_by_the_one_before() -> None:
    assert decode(event("u", name="renaming-1", committed_name="cart")).state.name == "cart"
    assert decode(event("d", name="renaming-1", committed_name="cart")).state.name == "cart"
    assert decode(event("u", name="basket", committed_name=None)).state.name == "basket"


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
LABELS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
ROWS = st.builds(
    row,
    row_id=st.integers(1, 2**53 - 1),
    generation=st.integers(1, 2**53 - 1),
    name=LABELS,
    environment=LABELS,
    branch=st.sampled_from(["main", "\N{ROCKET}", 'a"b\\c']),
    repository_url=st.sampled_from(["https://git.example/a", "git@git.example:a/b"]),
    updated_by=st.text(st.characters(codec="utf-8"), min_size=1, max_size=200),
    updated_by_verified=st.booleans(),
    approved_by=st.none() | st.text(st.characters(codec="utf-8"), min_size=1, max_size=200),
    committed_name=st.none() | LABELS,
    traceparent=st.none() | st.just(TRACE),
    traced_txid=st.just(7),
)


@given(st.sampled_from("crud"), ROWS, st.integers(0, 2**63 - 1))
def test_a_change_is_the_same_captured_in_either_table(op: str, fields: dict[str, Any], lsn: int) -> None:
    own = {"row_id": fields.pop("id"), **fields}
    # A snapshot is another transaction than the one that wrote the row.
    old = {**event(op, lsn=lsn, **own), "iodebeziumtxId": "8" if op == "r" else "7"}

    change = decode(old)

    assert decode(captured(old)) == change
    again = decode(encode(change))
    assert (again.row, again.state, again.lsn, again.deleted) == (change.row, change.state, lsn, change.deleted)


def test_a_configuration_that_was_cut_is_known_by_its_key_and_its_generation() -> None:
    cut = captured(event(row_id=42, generation=8))
    cut["data"]["after"]["row"] = PLACEHOLDER
    with pytest.raises(PermanentError, match=r"^row: not whole"):
        decode(cut)

    change = decode(cut, partly=True)

    assert (change.row, change.state.generation, change.missing) == (app_config(42), 8, ("row",))


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({"key": "007"}, "key"),
        ({"key": "x"}, "key"),
        ({"row": '{"id": 2}'}, "row"),
        ({"row": "{"}, "row"),
        ({"deleted": None}, "deleted"),
        ({"generation": 0}, "generation"),
        ({"actor": None}, "updated_by"),
        ({"renderer": "App"}, "renderer"),
    ],
)
def test_a_configuration_captured_otherwise_than_its_triggers_do_is_refused(broken: dict[str, Any], named: str) -> None:
    wrong = captured(event(row_id=7))
    wrong["data"]["after"] |= broken
    with pytest.raises(PermanentError, match=f"^{named}: ") as raised:
        decode(wrong)

    assert raised.value.reason == "undecodable"


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({"iodebeziumop": "t"}, "iodebeziumop"),
        ({"iodebeziumlsn": "0x1"}, "iodebeziumlsn"),
        ({"iodebeziumlsn": None}, "iodebeziumlsn"),
        ({"iodebeziumtable": 3}, "iodebeziumtable"),
        ({"data": "base64"}, "data"),
        ({"data": {"after": None}}, "data.after"),
        ({"data": {"after": {"id": True}}}, "generation"),
    ],
)
def test_an_undecodable_event_is_permanent_and_names_the_field(broken: dict[str, Any], named: str) -> None:
    with pytest.raises(PermanentError, match=f"^{named}: ") as raised:
        decode({**event(), **broken})

    assert raised.value.reason == "undecodable"


@pytest.mark.parametrize("field", ["id", "name", "repository_url", "branch", "environment", "generation", "updated_by"])
def test_a_row_without_a_field_names_it(field: str) -> None:
    broken = event()
    del broken["data"]["after"][field]

    with pytest.raises(PermanentError, match=f"^{field}: "):
        decode(broken)


def test_a_table_without_a_renderer_is_its_own_reason() -> None:
    with pytest.raises(PermanentError, match="orders") as raised:
        decode({**event(), "iodebeziumtable": "orders"})

    assert raised.value.reason == "unknown-table"


HUGE = "9" * 5_000


@pytest.mark.parametrize(
    "number", [HUGE, "-1", "+1", "1_0", "\u00b2", "", 2**63, -1, 1.0, True, None, "9223372036854775808"]
)
@pytest.mark.parametrize("field", ["iodebeziumlsn", "iodebeziumtxId", "generation", "id", "traced_txid"])
def test_a_number_is_one_that_the_table_can_have(field: str, number: object) -> None:
    if number is None and field in ("iodebeziumtxId", "traced_txid"):
        return  # these need not be there
    broken = {**event(), "iodebeziumtxId": "7"}
    (broken if field.startswith("io") else broken["data"]["after"])[field] = number

    with pytest.raises(PermanentError, match=f"^{field}: ") as raised:
        decode(broken)

    assert len(str(raised.value)) < 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "../../namespaces/kube-system/secrets/x"),
        ("name", "a" * 64),
        ("name", "A"),
        ("name", "a\n"),
        ("name", ""),
        ("environment", ".."),
        ("environment", "a/b"),
        ("environment", ""),
        ("repository_url", "https://git.example/" + "a" * 2_029),
        ("repository_url", "https://git.example/a b"),
        ("repository_url", ""),
        ("branch", "a" * 256),
        ("branch", "a\0b"),
        ("branch", "\ud83d"),
        ("branch", ""),
        ("updated_by", "a" * 201),
        ("created_at", "2" * 65),
        ("updated_at", "\ud83d"),
        ("branch", {"a": 1}),
    ],
)
def test_a_text_is_one_that_the_table_can_have(field: str, value: object) -> None:
    with pytest.raises(PermanentError, match=f"^{field}: ") as raised:
        decode(event(**cast(dict[str, Any], {field: value})))

    assert raised.value.reason == "undecodable"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("branch", "\N{ROCKET}"),
        ("branch", "a\u2028b"),
        ("updated_by", "Zo\u00eb \N{ROCKET}"),
        # Rules of today are not for rows of yesterday.
        ("repository_url", "https://user:token@git.example/x?private_token=1"),
        ("repository_url", "file:///etc/passwd"),
        ("created_at", "infinity"),
    ],
)
def test_odd_but_legal_data_is_kept(field: str, value: str) -> None:
    assert getattr(decode(event(**cast(dict[str, Any], {field: value}))).state, field) == value


def test_of_a_persons_name_only_what_is_printable_is_kept() -> None:
    assert (
        decode(event(updated_by="mallory\u2028Rowcast-Row: 1@9\n\ud800")).state.updated_by
        == "mallory Rowcast-Row: 1@9  "
    )


@pytest.mark.parametrize(
    "time",
    [
        "9999-12-31T23:59:59.999Z",
        "0001-01-01T00:00:00+14:00",
        "2026-11-22T15:42:27",
        "yesterday",
        "2026-13-01T00:00:00Z",
        5,
    ],
)
def test_a_row_is_not_refused_for_a_clock_and_the_clock_is_not_believed(time: object) -> None:
    assert decode({**event(), "time": time}).saved_at is None


@pytest.mark.parametrize("traceparent", ["0" * 100_000, "x", "\ud800", 7])
def test_what_is_no_trace_is_left_out(traceparent: object) -> None:
    traced = {**event(traceparent=traceparent, traced_txid=7), "iodebeziumtxId": "7"}
    assert decode(traced).traceparent is None


@pytest.mark.parametrize("field", ["name", "repository_url", "branch", "environment", "updated_by"])
def test_debeziums_placeholder_is_refused_by_name_in_any_column(field: str) -> None:
    placed = event(**cast(dict[str, Any], {field: PLACEHOLDER}))
    with pytest.raises(PermanentError, match=f"^{field}: .*REPLICA IDENTITY") as raised:
        decode(placed)

    assert raised.value.reason == "incomplete"
    change = decode(placed, partly=True)
    assert change.missing == (field,)
    assert PLACEHOLDER not in str(change.row)


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_deletion_needs_no_more_than_its_key_and_its_generation(nothing: object) -> None:
    deletion = event("d", row_id=42, generation=8)
    deletion["data"]["before"] = dict.fromkeys(deletion["data"]["before"], nothing) | {"id": 42, "generation": 8}
    assert (int(decode(deletion).row.key), decode(deletion).state.generation) == (42, 8)

    deletion["data"]["before"] = {"id": 42}
    with pytest.raises(PermanentError, match=r"^generation: "):
        decode(deletion)
    assert decode(deletion, partly=True).missing == ("generation",)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**4_200)
    | st.floats()
    | st.text(st.characters(), max_size=300)
    | st.sampled_from([HUGE, PLACEHOLDER, "\ud800", "..", *map(str, Op)]),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.sampled_from(list(event())), inner)
        | st.fixed_dictionaries({}, optional=dict.fromkeys(row(), inner))
    ),
    max_leaves=20,
)


def decodes_or_is_permanent(garbage: object, *, partly: bool) -> bool:
    try:
        return isinstance(decode(garbage, partly=partly), Change)
    except PermanentError as error:
        return len(str(error).encode()) < 1_000


@given(JSON, st.booleans())
def test_whatever_arrives_decodes_or_is_permanent(garbage: object, partly: bool) -> None:
    assert decodes_or_is_permanent(garbage, partly=partly)


FIELDS = [*event(), *row(), *captured(event())["data"]["after"]]


@given(st.sampled_from(FIELDS), JSON, st.sampled_from("crud"), st.booleans(), st.booleans())
def test_an_event_with_anything_in_one_field_decodes_or_is_permanent(
    field: str, garbage: object, op: str, partly: bool, of_rows: bool
) -> None:
    broken = captured(event(op)) if of_rows else event(op)
    side = broken["data"]["after"] or broken["data"]["before"]
    (side if field in side else broken)[field] = garbage
    assert decodes_or_is_permanent(broken, partly=partly)
