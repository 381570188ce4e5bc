"""From a stranger with a kayak to a guest at the door, in a real browser: sign-up, listing, review, booking, approval, check-in."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect
from sqlalchemy import select, update

from core import signin
from core.schema import booking, outbound, product
from tests.channels.conftest import wait_for
from tests.stories.conftest import Running
from tests.stories.test_browser import SHOTS, chromium, open_page, press, say, sees, shot

pytestmark = [pytest.mark.browser, pytest.mark.slow]
__all__ = ["chromium"]


def picture(path: Path) -> Path:
    """A photo with a place in it, as a phone makes one."""
    made = Image.linear_gradient("L").resize((1200, 800)).convert("RGB")
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (38.0, 43.0, 0.0)}
    made.save(path, "JPEG", exif=exif)
    return path


def link_of(running: Running, notice: str, to: str) -> str:
    """What the letter's reader sees."""
    engine = running.house.engine
    query = select(outbound.c.content).where(outbound.c.notice == notice, outbound.c.address == to)
    content = wait_for(lambda: _first(running, query))
    with engine.db.read() as tx:
        return f"{running.url}/signin/{signin.token_of(tx, content['nonce'])}"


def _first(running: Running, query: object) -> dict[str, str] | None:
    with running.house.engine.db.read() as tx:
        found: dict[str, str] | None = tx.execute(query).scalars().first()  # type: ignore[call-overload]
        return found


def test_a_stranger_lists_a_kayak_tour_and_checks_its_first_guests_in(running_sqlite: Running, chromium: Browser, tmp_path: Path) -> None:
    rui = open_page(chromium, width=390, height=844)
    rui.goto(f"{running_sqlite.url}/provider/join")
    rui.get_by_label("Name of your business").fill("Tejo Paddle")
    rui.get_by_label("Your own name").fill("Rui Costa")
    rui.get_by_label("Mail address for requests").fill("rui@paddle.example")
    rui.get_by_label("Country", exact=True).select_option("PT")
    rui.get_by_label("Time zone").fill("Lisbon")
    rui.get_by_label(re.compile("I may offer")).check()
    press(rui, "Sign up")
    sees(rui, "IANA time zone")
    assert rui.get_by_label("Your own name").input_value() == "Rui Costa"
    shot(rui, "host-1-join-phone")
    rui.get_by_label("Time zone").fill("Europe/Lisbon")
    press(rui, "Sign up")
    sees(rui, "Look into your mail")
    rui.goto(link_of(running_sqlite, "provider_welcome", "rui@paddle.example"))
    press(rui, "Sign in")

    rui.goto(f"{running_sqlite.url}/listings")
    sees(rui, "We are having a look")
    rui.get_by_label("Name", exact=True).fill("Kayak under the bridge")
    rui.get_by_label("City", exact=True).select_option("lisbon")
    press(rui, "Begin")
    sees(rui, "The preview appears once")
    shot(rui, "host-2-listing-new-phone")
    press(rui, "Save and send for a look")
    sees(rui, "Please give")
    rui.get_by_label("Description").fill("Two hours on the river.\nDry bags are there.")
    rui.get_by_label("In one sentence").fill("Two quiet hours on the Tejo, with a guide.")
    rui.get_by_label("Words people look for").fill("kayak, river")
    rui.get_by_label("Booking", exact=True).select_option("REQUEST")
    rui.get_by_label(re.compile("^Price \\(EUR")).fill("45")
    rui.get_by_label("Start times").fill("09:00, 15:00")
    rui.get_by_label("Places", exact=True).first.fill("six")
    rui.get_by_label("Photo", exact=True).set_input_files(picture(tmp_path / "kayak.jpg"))
    press(rui, "Save")
    sees(rui, "marked below")
    expect(rui.get_by_role("link", name=re.compile("Places \\(option 1, row 1"))).to_be_visible()
    shot(rui, "host-3-listing-wrong-phone")
    rui.get_by_label("Places", exact=True).first.fill("6")
    press(rui, "Save")
    sees(rui, "What travelers see, and what you receive")
    sees(rui, "€39\\.60")
    rui.screenshot(path=SHOTS / "host-4-listing-preview-phone.png", full_page=True)
    press(rui, "Save and send for a look")
    sees(rui, "We look at it")

    ines = open_page(chromium, dark=True)
    ines.goto(running_sqlite.sign_in("operator"))
    ines.get_by_role("button").first.click()
    ines.goto(f"{running_sqlite.url}/review")
    expect(ines.get_by_role("button", name=re.compile("Publish"))).to_be_disabled()
    ines.screenshot(path=SHOTS / "host-5-review-dark.png", full_page=True)
    press(ines, "Let them sell")
    sees(ines, "They can sell now")
    press(ines, "Publish")
    sees(ines, "It is on sale")

    ana = open_page(chromium, width=390, height=844)
    ana.goto(f"{running_sqlite.url}/chat")
    say(ana, "kayak in Lisbon tomorrow for two")
    sees(ana, "Kayak under the bridge")
    expect(ana.locator("img[src*='/photos/photo-']").first).to_be_visible()
    shot(ana, "host-6-found-by-a-traveler")
    press(ana, "Request")
    sees(ana, "At what time")
    press(ana, "15:00")
    sees(ana, "is in your trip|Added")
    say(ana, "checkout")
    press(ana, "Confirm", exact=True)
    ana.get_by_label("Name").fill("Ana Silva")
    ana.get_by_label("E-mail").fill("ana@example.com")
    ana.get_by_label(re.compile("I accept")).check()
    press(ana, "Confirm and book")
    sees(ana, "Request sent to Tejo Paddle")

    rui.goto(f"{running_sqlite.url}/provider")
    sees(rui, "Kayak under the bridge")
    press(rui, "Approve")
    sees(rui, "You said yes")
    sees(ana, "Please pay €90")
    with ana.context.expect_page() as opened:
        ana.get_by_role("link", name=re.compile("Pay now")).last.click()
    pay = opened.value
    pay.get_by_role("button", name=re.compile("^Pay")).first.click()
    pay.wait_for_url(re.compile("/pay/done"), timeout=15_000)
    sees(ana, "Booked and confirmed|confirmed")

    engine = running_sqlite.house.engine
    row = wait_for(lambda: _confirmed(running_sqlite))
    rui.goto(f"{running_sqlite.url}/bookings")
    sees(rui, row.reference)
    shot(rui, "host-7-bookings-phone")
    with engine.db.write() as tx:  # it is the day itself
        tx.execute(update(booking).where(booking.c.id == row.id).values(starts_at=engine.clock()))
    rui.goto(f"{running_sqlite.url}/check-in/{row.reference}")
    shot(rui, "host-8-check-in-phone")
    press(rui, "Check in")
    sees(rui, "Checked in\\. Have")
    rui.goto(f"{running_sqlite.url}/check-in/{row.reference}")
    sees(rui, "used already: checked in on")
    shot(rui, "host-9-second-check-in-phone")
    anybody = open_page(chromium)
    anybody.goto(f"{running_sqlite.url}/check-in/{row.reference}")
    sees(anybody, "Please sign in")

    rui.goto(f"{running_sqlite.url}/staff")
    rui.get_by_label("Mail address").fill("sam@paddle.example")
    press(rui, "Invite")
    sees(rui, "on its way by mail")
    shot(rui, "host-10-people-phone")
    with engine.db.read() as tx:
        listed = tx.execute(select(product).where(product.c.title == "Kayak under the bridge")).one()
        kept = running_sqlite.house.settings.data_dir / "uploads" / "photos" / listed.picture
    with Image.open(io.BytesIO(kept.read_bytes())) as photo:
        assert (photo.format, dict(photo.getexif())) == ("JPEG", {})


def _confirmed(running: Running) -> object:
    with running.house.engine.db.read() as tx:
        return tx.execute(select(booking).where(booking.c.status == "CONFIRMED")).one_or_none()
