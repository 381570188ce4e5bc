"""A provider comes by themselves, lists, is looked at, sells and changes: on both databases, and what is sold stays as sold."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, select

from core import carts, listings, people, schedules, signin, signups, staff
from core.availability import Ask
from core.catalogue_files import check_records, import_records
from core.engine import Actor, Engine
from core.errors import AlreadyDecided, Invalid, NotAllowed, NotFound, Refused
from core.schema import account, account_role, booking, cancellation_policy, fee_rule, outbound, product, rate_plan, signup, slot
from tests import builders as b
from tests.conftest import Clock

OPERATOR = Actor("olga", role="operator", channel="console")
BUSINESS = {"name": "Tejo Paddle", "email": "rui@example.com", "time_zone": "Europe/Lisbon", "country": "PT", "currency": "EUR"}
OPTION: dict[str, Any] = {
    "id": "standard", "title": "Two hours", "counts": "PAX", "per": "PERSON", "price": "40", "starts": "10:00",
    "rules": [{"weekdays": "mon-sun", "start": "10:00", "capacity": 6}],
    "units": [{"type": "ADULT", "min_age": 13}, {"type": "CHILD", "min_age": 6, "max_age": 12, "percent": "50"}],
}  # fmt: skip


def mailed(engine: Engine, notice: str) -> list[Any]:
    with engine.db.read() as tx:
        return list(tx.execute(select(outbound).where(outbound.c.notice == notice).order_by(outbound.c.id)))


def token_of(engine: Engine, letter: Any) -> str:
    """What the link of a letter holds; the row has only a number."""
    with engine.db.read() as tx:
        return signin.token_of(tx, letter.content["nonce"])


def owner_of(engine: Engine) -> Actor:
    """Rui signs up, opens the link of his mail and is let in."""
    with engine.db.write() as tx:
        b.add_provider(tx)
        tx.execute(insert(cancellation_policy).values(id="flexible", name="Flexible", tiers=[{"hours": 24, "refund_bps": 10_000}]))
        tx.execute(insert(fee_rule).values(id="platform", party="PLATFORM", scope="GLOBAL", scope_id="", bps=1200))
    provider_id = signups.join(engine, BUSINESS, person="Rui Costa", agreed=True)
    (mail,) = mailed(engine, "provider_welcome")
    session = people.redeem_sign_in(engine, token_of(engine, mail))
    with engine.db.read() as tx:
        person = people.who(tx, session, "console", engine.clock())
    assert person is not None
    assert person.owned_ids == (provider_id,)
    return Actor(person.account_id, role="provider", provider_ids=person.provider_ids)


def listed(engine: Engine, actor: Actor, **more: Any) -> str:
    listing_id = listings.create(engine, actor, actor.provider_ids[0], title="Paddle at Dawn!", kind="activity", destination="lisbon")
    record = listings.find(engine, actor, listing_id)["record"]
    assert listings.save(engine, actor, listing_id, {**record, "options": [OPTION], "policy": "flexible", **more}) == ()
    return listing_id


def on_sale(engine: Engine, actor: Actor) -> str:
    signups.decide(engine, OPERATOR, actor.provider_ids[0], approve=True)
    listing_id = listed(engine, actor)
    assert listings.submit(engine, actor, listing_id) == "submitted"
    listings.approve(engine, OPERATOR, listing_id, listings.find(engine, OPERATOR, listing_id)["version"])
    return listing_id


def found(engine: Engine, words: str) -> list[str]:
    with engine.db.read() as tx:
        rows = tx.execute(select(product.c.id, product.c.title).where(product.c.published)).all()
    return [row.id for row in rows if words.lower() in row.title.lower()]


def test_from_signing_up_to_being_on_sale(engine: Engine) -> None:
    rui = owner_of(engine)
    (provider_id,) = rui.provider_ids
    assert provider_id.startswith("tejo-paddle-")
    listing_id = listed(engine, rui)
    assert listings.submit(engine, rui, listing_id) == "submitted"
    (waits,) = listings.waiting(engine)
    with pytest.raises(Refused, match="provider first"):
        listings.approve(engine, OPERATOR, listing_id, waits["version"])
    assert [one["name"] for one in signups.waiting(engine)] == ["Tejo Paddle"]
    signups.decide(engine, OPERATOR, provider_id, approve=True)
    listings.approve(engine, OPERATOR, listing_id, waits["version"])
    with engine.db.read() as tx:
        row = tx.execute(select(product).where(product.c.id == listing_id)).one()
    assert (row.published, row.title, row.from_amount, row.cancellation_policy_id) == (True, "Paddle at Dawn!", 4000, "flexible")
    carts.add(engine, b.traveler(engine), Ask(listing_id, None, b.DAY, local_start="10:00", units={"ADULT": 2, "CHILD": 1}))
    assert {one.address for one in mailed(engine, "listing_published")} == {"rui@example.com"}


def test_a_form_is_told_what_a_file_is_told(engine: Engine) -> None:
    rui = owner_of(engine)
    listing_id = listings.create(engine, rui, rui.provider_ids[0], title="Paddle", kind="activity", destination="lisbon")
    record = listings.find(engine, rui, listing_id)["record"]
    wrong = {**record, "options": [{**OPTION, "price": "40.123", "rules": [{"capacity": -1}]}], "lead_hours": "soon", "policy": "none"}
    told = listings.save(engine, rui, listing_id, wrong)
    assert told == check_records(engine.db, [wrong], source=listings.source_of(listing_id)).problems
    assert {one.field for one in told} == {"options[0].rules[0].capacity", "lead_hours"}
    assert listings.find(engine, rui, listing_id)["record"]["lead_hours"] == "soon"  # nothing that was typed is lost
    with pytest.raises(Invalid) as error:
        listings.submit(engine, rui, listing_id)
    assert set(error.value.facts["problems"]) == {"options[0].rules[0].capacity", "lead_hours"}
    mended = {**wrong, "options": [{**OPTION, "price": "40.123"}], "lead_hours": "2"}
    assert [one.field for one in listings.save(engine, rui, listing_id, mended)] == ["options[0].price", "policy"]


def test_nobody_gives_themselves_stars_or_another_name(engine: Engine) -> None:
    rui = owner_of(engine)
    listing_id = listed(engine, rui, rating="5", rating_count=900, rating_source="me", id="kayak", provider="tejo", published=False)
    record = listings.find(engine, rui, listing_id)["record"]
    assert (record["id"], record["provider"]) == (listing_id, rui.provider_ids[0])
    assert not {"rating", "rating_count", "rating_source", "published"} & set(record)


def test_a_preview_shows_prices_and_the_split_and_changes_nothing(engine: Engine) -> None:
    rui = owner_of(engine)
    listing_id = listed(engine, rui)
    (option,) = listings.preview(engine, rui, listing_id)["options"]
    assert [(one["party"], one["total"], one["fee"], one["payout"]) for one in option["samples"]] == [
        (1, 4000, 480, 3520), (2, 8000, 960, 7040), (4, 16000, 1920, 14080),
    ]  # fmt: skip
    with engine.db.read() as tx:
        assert tx.execute(select(product.c.id).where(product.c.id == listing_id)).all() == []


def test_a_change_of_price_and_terms_is_live_at_once_and_leaves_what_is_sold(engine: Engine) -> None:
    rui = owner_of(engine)
    listing_id = on_sale(engine, rui)
    ana = b.traveler(engine)
    carts.add(engine, ana, Ask(listing_id, None, b.DAY, local_start="10:00", units={"ADULT": 2}))
    b.checkout(engine, ana)
    with engine.db.read() as tx:
        before = tx.execute(select(booking)).one()
        sold = tx.execute(select(slot.c.held, slot.c.booked, slot.c.capacity)).one()
    record = listings.find(engine, rui, listing_id)["record"]
    dearer = {**record, "deposit_percent": "30", "lead_hours": 5, "options": [{**OPTION, "price": "55"}]}
    dearer.pop("policy")
    assert listings.save(engine, rui, listing_id, dearer) == ()
    assert listings.preview(engine, rui, listing_id)["options"][0]["samples"][0]["total"] == 5500
    with engine.db.read() as tx:  # nothing yet
        assert tx.execute(select(rate_plan.c.amount).where(rate_plan.c.option_id == f"{listing_id}.standard")).scalar_one() == 4000
    assert listings.submit(engine, rui, listing_id) == "live"
    with engine.db.read() as tx:
        assert tx.execute(select(booking)).one() == before
        assert tx.execute(select(slot.c.held, slot.c.booked, slot.c.capacity)).one() == sold
        row = tx.execute(select(product).where(product.c.id == listing_id)).one()
        assert (row.deposit_bps, row.cancellation_policy_id, row.lead_hours, row.from_amount) == (3000, None, 5, 5500)
    bo = b.traveler(engine, name="Bo Other", email="bo@example.com")
    assert carts.add(engine, bo, Ask(listing_id, None, b.DAY, local_start="10:00", units={"ADULT": 1}))
    with engine.db.read() as tx:
        assert {row.amount for row in tx.execute(select(booking.c.amount))} == {8000}


def test_fewer_places_than_are_sold_are_refused_at_the_field(engine: Engine) -> None:
    rui = owner_of(engine)
    listing_id = on_sale(engine, rui)
    ana = b.traveler(engine)
    carts.add(engine, ana, Ask(listing_id, None, b.DAY, local_start="10:00", units={"ADULT": 4}))
    b.checkout(engine, ana)
    record = listings.find(engine, rui, listing_id)["record"]
    small = {**OPTION, "rules": [{"start": "10:00", "capacity": 3}]}
    assert listings.save(engine, rui, listing_id, {**record, "options": [small]}) == ()
    with pytest.raises(Invalid) as error:
        listings.submit(engine, rui, listing_id)
    assert "4 are held or sold" in error.value.facts["problems"]["options[0].capacity"]
    with engine.db.read() as tx:
        assert tx.execute(select(slot.c.capacity)).scalar_one() == 6


def test_new_words_wait_for_a_look_while_the_old_ones_sell(engine: Engine) -> None:
    rui = owner_of(engine)
    listing_id = on_sale(engine, rui)
    record = listings.find(engine, rui, listing_id)["record"]
    listings.save(engine, rui, listing_id, {**record, "title": "Paddle at Dusk"})
    assert listings.submit(engine, rui, listing_id) == "submitted"
    assert found(engine, "paddle at dawn") == [listing_id]
    version = listings.find(engine, OPERATOR, listing_id)["version"]
    with pytest.raises(Invalid):
        listings.send_back(engine, OPERATOR, listing_id, version, " ")
    listings.send_back(engine, OPERATOR, listing_id, version, "When does it begin?")
    one = listings.find(engine, rui, listing_id)
    assert (one["state"], one["said"], one["on_sale"]) == ("returned", "When does it begin?", True)
    assert mailed(engine, "listing_returned")[0].content["text"] == "When does it begin?"
    with pytest.raises(AlreadyDecided):
        listings.approve(engine, OPERATOR, listing_id, version)
    listings.drop_changes(engine, rui, listing_id)
    assert listings.find(engine, rui, listing_id)["record"]["title"] == "Paddle at Dawn!"


def test_what_was_changed_while_somebody_looked_is_not_published(engine: Engine) -> None:
    rui = owner_of(engine)
    signups.decide(engine, OPERATOR, rui.provider_ids[0], approve=True)
    listing_id = listed(engine, rui)
    listings.submit(engine, rui, listing_id)
    looked_at = listings.find(engine, OPERATOR, listing_id)["version"]
    listings.save(engine, rui, listing_id, {**listings.find(engine, rui, listing_id)["record"], "title": "Something else"})
    listings.submit(engine, rui, listing_id)
    with pytest.raises(AlreadyDecided):
        listings.approve(engine, OPERATOR, listing_id, looked_at)
    assert found(engine, "") == []
    for actor in (rui, Actor("x", role="provider", provider_ids=("tejo",))):
        with pytest.raises((NotAllowed, NotFound)):
            listings.approve(engine, actor, listing_id, looked_at + 2)


def test_off_and_on_again_keeps_bookings_and_the_calendars_changes(engine: Engine) -> None:
    rui = owner_of(engine)
    listing_id = on_sale(engine, rui)
    schedules.set_week(engine, rui, listing_id, [schedules.Week(9, start="10:00")])
    assert listings.find(engine, rui, listing_id)["record"]["options"][0]["rules"] == [{"start": "10:00", "capacity": 9}]
    listings.show(engine, rui, listing_id, False)
    assert found(engine, "paddle") == []
    assert listings.find(engine, rui, listing_id)["state"] == "off"
    listings.show(engine, rui, listing_id, True)
    assert found(engine, "paddle") == [listing_id]
    record = listings.find(engine, rui, listing_id)["record"]
    listings.save(engine, rui, listing_id, {**record, "options": [OPTION]})  # back to six places: the very record that was taken in first
    assert listings.submit(engine, rui, listing_id) == "live"
    assert listings.find(engine, rui, listing_id)["record"]["options"][0]["rules"] == [{"start": "10:00", "capacity": 6}]


def test_another_provider_and_staff_change_nothing(engine: Engine) -> None:
    rui = owner_of(engine)
    listing_id = on_sale(engine, rui)
    rival = Actor("rita", role="provider", provider_ids=("tejo",))
    with engine.db.write() as tx:
        people.ensure_account(tx, engine.clock(), "sam", name="Sam", email="sam@example.com")
        people.grant(tx, "sam", "provider", rui.provider_ids[0], level="staff")
        people.ensure_account(tx, engine.clock(), "rita", name="Rita", email="rita@example.com")
        people.grant(tx, "rita", "provider", "tejo")
    sam = Actor("sam", role="provider", provider_ids=rui.provider_ids)
    for actor, error in ((rival, NotFound), (sam, NotAllowed)):
        with pytest.raises(error):
            listings.find(engine, actor, listing_id)
        with pytest.raises(error):
            listings.save(engine, actor, listing_id, {})
        with pytest.raises(error):
            listings.show(engine, actor, listing_id, False)
        with pytest.raises(error):
            listings.create(engine, actor, rui.provider_ids[0], title="x", kind="activity", destination="lisbon")
        with pytest.raises(error):
            staff.invite(engine, actor, rui.provider_ids[0], "me@example.com")
    assert found(engine, "paddle") == [listing_id]


# ── signing up ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "person", "agreed", "field"),
    [
        ({"email": "nowhere"}, "Rui Costa", True, "email"),
        ({"time_zone": "Lisbon"}, "Rui Costa", True, "time_zone"),
        ({"currency": "ABC"}, "Rui Costa", True, "currency"),
        ({"country": "Portugal"}, "Rui Costa", True, "country"),
        ({"name": " "}, "Rui Costa", True, "name"),
        ({}, "R", True, "person"),
        ({}, "Rui Costa", False, "agreed"),
    ],
)
def test_a_sign_up_names_the_field_that_is_wrong_and_leaves_nothing(
    engine: Engine, given: dict[str, str], person: str, agreed: bool, field: str
) -> None:
    with pytest.raises(Invalid) as error:
        signups.join(engine, {**BUSINESS, **given}, person=person, agreed=agreed)
    assert error.value.field == field
    with engine.db.read() as tx:
        assert tx.execute(select(signup)).all() == []
        assert tx.execute(select(account)).all() == []
        assert tx.execute(select(outbound)).all() == []


def test_only_the_mail_lets_somebody_in_even_where_the_address_is_known(engine: Engine) -> None:
    with engine.db.write() as tx:
        known = people.new_account(tx, engine.clock(), name="Rui", email="Rui@example.com", visitor=False)
    provider_id = signups.join(engine, BUSINESS, person="Somebody else", agreed=True)
    with engine.db.read() as tx:
        assert tx.execute(select(account_role)).all() == []
        assert signups.state_of(tx, provider_id) == "new"
    assert signups.waiting(engine) == []
    with pytest.raises(AlreadyDecided):
        signups.decide(engine, OPERATOR, provider_id, approve=True)
    people.redeem_sign_in(engine, token_of(engine, mailed(engine, "provider_welcome")[0]))
    with engine.db.read() as tx:
        assert tx.execute(select(account_role.c.account_id, account_role.c.level)).all() == [(known, "owner")]
        assert signups.state_of(tx, provider_id) == "waiting"


def test_a_refused_business_is_told_why_and_lists_nothing(engine: Engine) -> None:
    rui = owner_of(engine)
    with pytest.raises(Invalid):
        signups.decide(engine, OPERATOR, rui.provider_ids[0], approve=False)
    with pytest.raises(NotAllowed):
        signups.decide(engine, rui, rui.provider_ids[0], approve=True)
    signups.decide(engine, OPERATOR, rui.provider_ids[0], approve=False, said="We know no such company.")
    assert mailed(engine, "sign_up_refused")[0].content["text"] == "We know no such company."
    with pytest.raises(Refused):
        listings.submit(engine, rui, listed(engine, rui))


# ── people ────────────────────────────────────────────────────────────────────────────────────────


def test_staff_comes_by_a_link_that_works_once_and_goes_at_once(engine: Engine, clock: Clock) -> None:
    rui = owner_of(engine)
    (provider_id,) = rui.provider_ids
    staff.invite(engine, rui, provider_id, "sam@example.com", name="Sam")
    (asked,) = staff.of(engine, rui, provider_id)["invited"]
    assert (asked["email"], asked["level"]) == ("sam@example.com", "staff")
    token = token_of(engine, mailed(engine, "staff_invited")[0])
    session = people.redeem_sign_in(engine, token)
    with pytest.raises(NotAllowed):
        people.redeem_sign_in(engine, token)
    with engine.db.read() as tx:
        sam = people.who(tx, session, "console", clock())
    assert sam is not None
    assert (sam.provider_ids, sam.owned_ids) == ((provider_id,), ())
    with pytest.raises(Refused, match="already"):
        staff.invite(engine, rui, provider_id, "SAM@example.com")
    with pytest.raises(Refused, match="only owner"):
        staff.remove(engine, rui, provider_id, rui.account_id)
    staff.remove(engine, rui, provider_id, sam.account_id)
    with engine.db.read() as tx:
        after = people.who(tx, session, "console", clock())
    assert after is not None
    assert after.provider_ids == ()


def test_an_invitation_taken_back_or_too_old_opens_nothing(engine: Engine, clock: Clock) -> None:
    rui = owner_of(engine)
    (provider_id,) = rui.provider_ids
    for name in ("sam", "tom"):
        staff.invite(engine, rui, provider_id, f"{name}@example.com")
    sam, tom = (token_of(engine, one) for one in mailed(engine, "staff_invited"))
    staff.remove(engine, rui, provider_id, staff.of(engine, rui, provider_id)["invited"][0]["account_id"])
    clock.forward(days=3)
    for token in (sam, tom):
        with pytest.raises(NotAllowed):
            people.redeem_sign_in(engine, token)
    assert staff.of(engine, rui, provider_id)["invited"] == []


def test_records_of_a_form_withdraw_nothing_of_anybody(engine: Engine) -> None:
    rui = owner_of(engine)
    first = on_sale(engine, rui)
    second = listed(engine, rui)
    listings.submit(engine, rui, second)
    listings.approve(engine, OPERATOR, second, listings.find(engine, OPERATOR, second)["version"])
    assert sorted(found(engine, "paddle")) == sorted([first, second])
    stolen = {**listings.find(engine, rui, first)["record"], "title": "Mine"}
    assert import_records(engine.db, [stolen], engine.clock(), source="somebody").problem_count == 1
