"""From what is stored to what is shown: facts become words, minor units become prices, in the reader's language.

A pure function of the row. Everything here is text: the page that draws it never interprets any of it as markup.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime

from channels.phrases import has, phrase, speaks
from channels.pictures import picture_url
from core.money import Money

Part = Mapping[str, Any]
Wire = dict[str, Any]


def wire(base_url: str, row: Any, locale: str, time_zone: str | None = None, *, trips: str = "") -> dict[str, Any]:
    """A log row's data with every part ready to draw; state rows get their sentence. `row` has kind, data and created_at.

    `trips` is the path of the traveler's own page, given only where the traveler reads: whoever has it can act for them.
    """
    data = dict(row.data)
    if row.kind == "state":
        if data.get("text"):
            data["text"] = Words(base_url, locale, time_zone).state(data)
        return data
    words = Words(base_url, locale, time_zone, trips)
    drawn = [one for part in data.get("parts", ()) for one in words.draw(part)]
    if data.get("role") == "bot":
        drawn = [{**one, "text": _without_links(one["text"])} if one["type"] == "text" else one for one in drawn]
    data["parts"] = drawn
    return data


def _without_links(text: str) -> str:
    """The assistant's words repeat what listings say, so no address in them may be followed: real links are buttons."""
    return re.sub(r"\bhttps?://", "", text, flags=re.IGNORECASE)


class Words:
    """Draws parts for one reader."""

    def __init__(self, base_url: str, locale: str, time_zone: str | None = None, trips: str = "") -> None:
        self.base_url = base_url
        self._trips = trips
        self.locale = locale if speaks(locale) else "en"  # one language a page: no English words around German dates
        self._babel = self.locale.replace("-", "_")
        self._zone = time_zone

    def say(self, section: str, name: str, /, **facts: Any) -> str:
        return str(phrase(self.locale, section, name)).format(**facts)

    def price(self, amount: int, currency: str) -> str:
        return Money(amount, currency).text(self._babel)

    def day(self, iso: str | None) -> str:
        return format_date(date.fromisoformat(iso), "EEE d MMM", locale=self._babel) if iso else ""

    def moment(self, iso: str, zone: str | None) -> str:
        local = datetime.fromisoformat(iso).astimezone(ZoneInfo(zone or self._zone or "UTC"))
        return format_datetime(local, "EEE d MMM, HH:mm", locale=self._babel) + ("" if zone or self._zone else " UTC")

    def count(self, unit: str, n: int) -> str:
        forms = phrase(self.locale, "units", unit) if has("units", unit) else ["{n} " + unit.lower(), "{n} " + unit.lower()]
        return str(forms[n != 1]).format(n=n)

    def party(self, units: Mapping[str, int] | None) -> str:
        return ", ".join(self.count(kind, n) for kind, n in (units or {}).items() if n)

    def when(self, facts: Mapping[str, Any]) -> str:
        shown = self.day(facts.get("date"))
        if facts.get("end_date") and facts["end_date"] != facts.get("date"):
            shown += f" \u2013 {self.day(facts['end_date'])}"
        return shown + (f", {facts['start']}" if facts.get("start") else "")

    def button(self, raw: Mapping[str, Any], style: str = "plain", **more: Any) -> Wire:
        label = str(raw.get("label", ""))
        if raw.get("day"):
            label = self.day(raw["day"])
        elif not raw.get("literal"):
            label = self.say("buttons", label) if has("buttons", label) else label
        made: Wire = {"label": label, "style": style, **more}
        for key in ("action", "url"):
            if raw.get(key):
                made[key] = raw[key]
        return made

    def state(self, data: Mapping[str, Any]) -> str:
        """Who speaks now, or how long it takes until somebody does."""
        ahead = self.count("person", int(data.get("ahead") or 0))
        opens = self.moment(data["opens_at"], None) if data.get("opens_at") else ""
        return self.say("states", data["text"], expert=data.get("expert", ""), minutes=data.get("minutes", ""), ahead=ahead, opens=opens)

    def own_page(self) -> list[Wire]:
        """The way to everything the traveler has, where it is the traveler who reads."""
        return (
            [{"label": self.say("buttons", "open_trips"), "style": "plain", "url": f"{self.base_url}{self._trips}"}] if self._trips else []
        )

    def draw(self, part: Part) -> list[Wire]:
        drawer = DRAWERS.get(str(part.get("type")))
        return drawer(self, part) if drawer else [dict(part)]


def _text(_words: Words, part: Part) -> list[Wire]:
    return [{"type": "text", "text": part["text"]}]


def _pressed(words: Words, part: Part) -> list[Wire]:
    label = str(part["label"])
    shown = words.say("buttons", label) if has("buttons", label) else words.day(label) if _is_day(label) else label
    return [{"type": "text", "text": shown}]


def _is_day(label: str) -> bool:
    try:
        date.fromisoformat(label)
    except ValueError:
        return False
    return True


# ── cards ─────────────────────────────────────────────────────────────────────────────────────────

BADGES = {"INSTANT": ("badge_instant", "ok"), "REQUEST": ("badge_request", "warn"), "EXTERNAL": ("badge_external", "info")}


def _offers(words: Words, part: Part) -> list[Wire]:
    items = [_card(words, item) for item in part["items"]]
    return [{"type": "cards", "items": items}] if items else []


def _card(words: Words, item: Mapping[str, Any]) -> Wire:
    badge, tone = BADGES[item["booking_type"]]
    if item.get("per") == "QUOTE":
        badge, tone = "badge_quote", "info"
    meta = [shown for shown in (_duration(item.get("duration_minutes")), item.get("city", ""), words.when(item)) if shown]
    card: Wire = {
        "id": item["product_id"],
        "title": item["title"],
        "subtitle": item.get("summary", ""),
        "picture": picture_url(item.get("picture")),
        "picture_alt": "",
        "badge": {"text": words.say("cards", badge), "tone": tone},
        "meta": meta,
        "buttons": [words.button(raw, "primary" if i == 0 else "plain") for i, raw in enumerate(item.get("buttons", ()))],
    }
    if item.get("rating_tenths"):
        card |= {"rating": f"{item['rating_tenths'] / 10:.1f}", "reviews": item.get("rating_count", 0)}
        if item.get("rating_source") == "sample":
            card["rating_note"] = words.say("cards", "sample_rating")
    if item.get("starts"):
        meta.append(words.say("cards", "starts", times=", ".join(item["starts"][:4]))) if len(item["starts"]) > 1 else meta.append(
            item["starts"][0]
        )
    if item.get("pay_at_provider"):
        meta.append(words.say("cards", "at_provider"))
    if item.get("left") is not None and item["left"] <= 8:
        card["note"] = words.say("cards", "left", count=item["left"])
    return card | _card_price(words, item)


def _card_price(words: Words, item: Mapping[str, Any]) -> Wire:
    if item.get("amount") is not None:
        party = words.party(item.get("units")) or words.count("person", 1)
        nights = _nights(item)
        note = (
            words.say("cards", "for_nights", nights=words.count("night", nights), party=party)
            if nights
            else words.say("cards", "for_party", party=party)
        )
        if item.get("about"):
            note = words.say("cards", "about", price=words.price(item["about"]["amount"], item["about"]["currency"]), note=note)
        return {"price": words.price(item["amount"], item["currency"]), "price_note": note}
    if item.get("from_amount") is not None and item.get("per") != "QUOTE":
        per = f"per_{str(item.get('per', 'person')).lower()}"
        shown = words.price(item["from_amount"], item["currency"])
        return {"price": words.say("cards", "from", price=shown), "price_note": words.say("cards", per) if has("cards", per) else ""}
    return {"price": "", "price_note": ""}


def _nights(item: Mapping[str, Any]) -> int:
    if not item.get("date") or not item.get("end_date"):
        return 0
    return (date.fromisoformat(item["end_date"]) - date.fromisoformat(item["date"])).days


def _duration(minutes: int | None) -> str:
    if not minutes:
        return ""
    hours, rest = divmod(int(minutes), 60)
    return " ".join(shown for shown in (f"{hours} h" if hours else "", f"{rest} min" if rest else "") if shown)


def _details(words: Words, part: Part) -> list[Wire]:
    lines = [shown for shown in (_duration(part.get("duration_minutes")),) if shown]
    for option in part.get("options", ()):
        if len(part["options"]) > 1 or option.get("starts"):
            shown = option["title"] + (f": {', '.join(option['starts'])}" if option.get("starts") else "")
            if option.get("amount") is not None:
                shown += f" ({words.price(option['amount'], part['currency'])} {words.say('cards', 'per_' + option['per'].lower())})"
            lines.append(shown)
    if part.get("meeting_point"):
        lines.append(words.say("cards", "meeting_point", place=part["meeting_point"]))
    if part.get("min_age"):
        lines.append(words.say("cards", "min_age", age=part["min_age"]))
    lines += policy_lines(words, part.get("tiers", ()))
    buttons = [words.button(raw, "primary") for raw in part.get("buttons", ())]
    status: Wire = {
        "type": "status",
        "tone": "info",
        "title": part["title"],
        "text": part.get("description", ""),
        "lines": lines,
        "buttons": buttons,
    }
    if part.get("picture"):
        status["picture"] = picture_url(part["picture"])
    return [status]


def policy_lines(words: Words, tiers: Sequence[Mapping[str, int]]) -> list[str]:
    shown = [
        words.say("cards", "free_cancellation", hours=tier["hours"])
        if tier["refund_bps"] == 10_000
        else words.say("cards", "partial_refund", percent=f"{tier['refund_bps'] / 100:g}", hours=tier["hours"])
        for tier in tiers
        if tier["refund_bps"] > 0
    ]
    return shown or [words.say("cards", "no_refund")]


def _days(words: Words, part: Part) -> list[Wire]:
    items = []
    for day in part["days"]:
        label = words.day(day["date"]) + (f" ({words.say('cards', 'left', count=day['vacancies'])})" if day.get("vacancies") else "")
        items.append({**words.button(day["button"]), "label": label})
    return [{"type": "quick_replies", "items": items}]


# ── money ─────────────────────────────────────────────────────────────────────────────────────────

ORDER = ("pay_now", "if_approved", "at_provider", "on_quote", "external")


def _groups(words: Words, lines: Sequence[Mapping[str, Any]], *, with_buttons: bool) -> list[Wire]:
    """One group per way of paying and currency, each with its own sum."""
    groups = []
    keys = sorted({(ORDER.index(line["how"]), line["currency"]) for line in lines})
    for at, currency in keys:
        mine = [line for line in lines if line["how"] == ORDER[at] and line["currency"] == currency]
        group: Wire = {"title": words.say("cart", ORDER[at]), "lines": [_line(words, line, with_button=with_buttons) for line in mine]}
        if ORDER[at] not in ("external", "on_quote") and len(mine) > 1:
            group["total"] = {"label": words.say("cart", "total"), "amount": words.price(sum(line["amount"] for line in mine), currency)}
        groups.append(group)
    return groups


def _line(words: Words, line: Mapping[str, Any], *, with_button: bool) -> Wire:
    if line["kind"] == "fee":
        return {"label": words.say("cart", "fee"), "amount": words.price(line["amount"], line["currency"])}
    detail = " \u00b7 ".join(shown for shown in (words.when(line), words.party(line.get("units"))) if shown)
    steps = [step for step in line.get("price_lines", ()) if step["amount"] and step["kind"] != "base"]
    if steps:
        detail += " \u00b7 " + ", ".join(f"{step['text']} {words.price(step['amount'], line['currency'])}" for step in steps[:3])
    if line.get("tiers") is not None and line["kind"] == "own":
        detail += "\n" + "; ".join(policy_lines(words, line["tiers"]))
    amount = words.say("cart", "on_quote_price") if line["how"] == "on_quote" else words.price(line["amount"], line["currency"])
    made: Wire = {"label": line["title"], "detail": detail, "amount": amount}
    if with_button and line.get("button"):
        made["button"] = words.button(line["button"])
    if line.get("external_url"):
        made["button"] = {"label": words.say("buttons", "open_partner"), "url": line["external_url"]}
    return made


def _sum(words: Words, totals: Mapping[str, Mapping[str, int]]) -> str:
    return " + ".join(words.price(parts["payable"], currency) for currency, parts in totals.items())


def _cart(words: Words, part: Part) -> list[Wire]:
    groups = _groups(words, part["lines"], with_buttons=True)
    if part["waiting"]:
        groups.append(
            {
                "title": words.say("cart", "waiting"),
                "lines": [
                    {
                        "label": one["title"],
                        "detail": f"{one['reference']} \u00b7 {words.say('cart', 'waiting_' + one['status'])}",
                        "amount": words.price(one["amount"], one["currency"]),
                    }
                    for one in part["waiting"]
                ],
            }
        )
    if not groups:
        return [{"type": "text", "text": words.say("cart", "empty")}]
    buttons = [words.button(raw, "primary") for raw in part.get("buttons", ())]
    buttons += [_pay_button(words, one) for one in part.get("unpaid", ()) if one.get("url")]
    summary: Wire = {"type": "summary", "title": words.say("cart", "title"), "groups": groups, "buttons": buttons}
    if part["totals"]:
        summary["total"] = {"label": words.say("cart", "total"), "amount": _sum(words, part["totals"])}
    if any(line["how"] == "external" for line in part["lines"]):
        summary["note"] = words.say("cart", "total_note")
    return [summary]


def _proposal(words: Words, part: Part) -> list[Wire]:
    groups = _groups(words, part["lines"], with_buttons=False)
    for change in part.get("changed", ()):
        for group in groups:
            for line in group["lines"]:
                if line["label"] == change["title"]:
                    line["strike"] = words.price(change["before"], change["currency"])
    offers = [
        words.say(
            "cart",
            "deposit_offer",
            now=words.price(one["now"], currency),
            later=words.price(one["later"], currency),
            due=words.moment(one["due_at"], None),
        )
        for currency, one in part.get("deposits", {}).items()
    ]
    hosts = dict.fromkeys(line["provider"] for line in part["lines"] if line.get("card_hold"))
    cards = [words.say("cart", "card_hold_note", provider=host) for host in hosts]
    summary: Wire = {
        "type": "summary",
        "title": words.say("cart", "proposal_title"),
        "groups": groups,
        "note": "\n".join([words.say("cart", "proposal_note"), *cards, *offers]),
        "buttons": [words.button(raw, "primary" if i == 0 else "plain") for i, raw in enumerate(part["buttons"])],
    }
    if part["totals"]:
        summary["total"] = {"label": words.say("cart", "total"), "amount": _sum(words, part["totals"])}
    return [summary]


def _plan(words: Words, part: Part) -> list[Wire]:
    """One way to spend the days: the bed, then a group a day with times, ways and free hours, and what it comes to."""
    currency = part["currency"]
    groups: list[Wire] = []
    if part["stay"]:
        groups.append({"title": words.say("plan", "stay"), "lines": [_stop(words, part["stay"], currency)]})
    for one in part["days"]:
        lines = [_stop(words, stop, currency) for stop in one["stops"]]
        free = ", ".join(words.say("plan", "free", first=first, last=last) for first, last in one["gaps"])
        lines += [{"label": free, "amount": ""}] if free else []
        groups.append({"title": words.day(one["date"]), "lines": lines or [{"label": words.say("plan", "nothing"), "amount": ""}]})
    note = [words.say("plan", "estimate")]
    if part["budget"]:
        name = "budget_about" if part["about"] else "budget"
        left = words.price(part["budget"] - part["total"], currency)
        note.insert(0, words.say("plan", name, budget=words.price(part["budget"], currency), left=left))
    return [
        {
            "type": "summary",
            "title": words.say("plan", "title", n=part["n"], style=words.say("plan", part["style"])),
            "groups": groups,
            "total": {"label": words.say("cart", "total"), "amount": words.price(part["total"], currency)},
            "note": "\n".join(note),
            "buttons": [words.button(part["button"], "primary")],
        }
    ]


def _stop(words: Words, stop: Mapping[str, Any], currency: str) -> Wire:
    times = f"{stop['start']}\u2013{stop['until']}" if stop["until"] else stop["start"] or ""
    if stop["end_date"]:
        times = words.when(stop)
    elif not times:
        times = words.say("plan", "any_time")
    way = words.say("plan", "way", minutes=stop["minutes"], km=stop["km"]) if stop["minutes"] is not None else ""
    asked = words.say("cards", "badge_request") if stop["booking_type"] == "REQUEST" else ""
    detail = " \u00b7 ".join(shown for shown in (times, way, asked) if shown)
    return {"label": stop["title"], "detail": detail, "amount": words.price(stop["amount"], currency)}


def _comparison(words: Words, part: Part) -> list[Wire]:
    """Two or three things beside each other: the same facts in the same order for each."""
    groups = [{"title": one["title"], "lines": _columns(words, one)} for one in part["items"]]
    buttons = [{**words.button(one["button"]), "label": words.say("plan", "take", title=one["title"])} for one in part["items"]]
    return [{"type": "summary", "title": words.say("plan", "compare"), "groups": groups, "buttons": buttons}]


def _columns(words: Words, one: Mapping[str, Any]) -> list[Wire]:
    price = words.price(one["amount"], one["currency"]) if one["amount"] is not None else words.say("cart", "on_quote_price")
    if one["amount"] is not None and not one["exact"]:
        price = words.say("cards", "from", price=price)
    rated = one["rating_tenths"]
    facts = [
        ("price", price if one["free"] else words.say("plan", "not_free", price=price)),
        ("rating", f"{rated / 10:.1f} ({one['rating_count']})" if rated else "\u2013"),
        ("length", _duration(one["duration_minutes"])),
        ("starts", ", ".join(one["starts"][:4])),
        ("conditions", "; ".join(policy_lines(words, one["tiers"]))),
        ("booking", words.say("cards", BADGES[one["booking_type"]][0])),
    ]
    return [{"label": words.say("plan", name), "amount": value} for name, value in facts if value]


def _memory(words: Words, part: Part) -> list[Wire]:
    """Everything we know of the trip and its traveler, so that it can be put right."""
    trip = [_known(words, name, value) for name, value in part["trip"].items()]
    you = [_known(words, name, part[name]) for name in ("name", "email", "language") if part[name]]
    kept = [_known(words, name, value) for name, value in part["kept"].items()]
    none = {"label": words.say("memory", "nothing" if part["remembers"] else "off"), "amount": ""}
    groups = [
        {"title": words.say("memory", "trip"), "lines": trip or [{"label": words.say("memory", "nothing"), "amount": ""}]},
        {"title": words.say("memory", "you"), "lines": you},
        {"title": words.say("memory", "kept"), "lines": kept or [none]},
    ]
    buttons = [words.button(raw) for raw in part["buttons"]]
    return [
        {
            "type": "summary",
            "title": words.say("memory", "title"),
            "groups": groups,
            "note": words.say("memory", "note"),
            "buttons": buttons,
        }
    ]


def _known(words: Words, name: str, value: Any) -> Wire:
    shown = str(value)
    if name == "party":
        shown = words.party(value)
    elif name == "budget":
        shown = f"{value['amount']} {value['currency']}"
    elif name in ("start_date", "end_date"):
        shown = words.day(value)
    elif name == "must":
        shown = "; ".join(", ".join(tags) for tags in value.values())
    elif isinstance(value, list):
        shown = ", ".join(str(one) for one in value)
    return {"label": words.say("memory", name), "amount": shown}


def _cancellation(words: Words, part: Part) -> list[Wire]:
    """What cancelling gives back, before anybody decides."""
    currency = part["currency"]
    lines: list[Wire] = [
        {"label": words.say("status", "cancel_paid"), "amount": words.price(part["paid"], currency)},
        {"label": words.say("status", "cancel_back"), "amount": words.price(part["refund"], currency)},
    ]
    if not part["paid"]:
        note = words.say("status", "cancel_free")
    elif not part["refund"]:
        note = words.say("status", "cancel_nothing")
    else:
        note = words.say("status", "cancel_until", until=words.moment(part["until"], None)) if part.get("until") else ""
    return [
        {
            "type": "summary",
            "title": words.say("status", "cancel_title", title=part["title"]),
            "groups": [{"title": _booking_line(words, part), "lines": lines}],
            "note": note,
            "buttons": [words.button(raw, "danger" if i == 0 else "plain") for i, raw in enumerate(part["buttons"])],
        }
    ]


def _change(words: Words, part: Part) -> list[Wire]:
    """What a change means before anybody decides: old and new price, what is due now or later, what comes back."""
    currency, before = part["currency"], part["before"]
    lines: list[Wire] = [
        {"label": words.say("status", "change_old"), "amount": words.price(before["amount"], currency)},
        {"label": words.say("status", "change_new"), "amount": words.price(part["amount"] - part["kept"], currency)},
    ]
    for name, key in (("change_kept", "kept"), ("change_due_now", "due_now"), ("change_later", "later"), ("change_refund", "refund")):
        if part[key]:
            lines.append({"label": words.say("status", name), "amount": words.price(part[key], currency)})
    was = words.say("status", "change_was", when=words.when(before), party=words.party(before["units"]))
    none = words.say("status", "change_none") if not (part["due_now"] or part["later"] or part["refund"]) else ""
    return [
        {
            "type": "summary",
            "title": words.say("status", "change_title", title=part["title"]),
            "groups": [{"title": _booking_line(words, part), "lines": lines}],
            "note": " ".join(shown for shown in (was + ".", none) if shown),
            "buttons": [words.button(raw, "primary" if i == 0 else "plain") for i, raw in enumerate(part["buttons"])],
        }
    ]


def _booking_changed(words: Words, facts: Part, buttons: list[Wire]) -> list[Wire]:
    before = facts["before"]
    name = "booking_changed_refund" if facts.get("refund") else "booking_changed_text"
    back = words.price(facts["refund"], facts["currency"]) if facts.get("refund") else ""
    text = words.say("status", name, when=words.when(before), party=words.party(before["units"]), amount=back)
    return _status("ok", words, words.say("status", "booking_changed"), text, [_booking_line(words, facts)], buttons)


def _price(words: Words, part: Part) -> list[Wire]:
    lines = [{"label": line["text"], "amount": words.price(line["amount"], part["currency"])} for line in part["lines"]]
    total = {"label": words.say("cart", "total"), "amount": words.price(part["total"], part["currency"])}
    title = words.say("cart", "price_title", title=part["title"])
    return [{"type": "summary", "title": title, "groups": [{"lines": lines}], "total": total, "buttons": []}]


def _pay_button(words: Words, facts: Mapping[str, Any]) -> Wire:
    label = f"{words.say('buttons', 'reserve' if facts.get('manual') else 'pay')} \u00b7 {words.price(facts['amount'], facts['currency'])}"
    return {"label": label, "url": facts["url"], "style": "primary", "pays": facts.get("payment_id")}


# ── forms and choices ─────────────────────────────────────────────────────────────────────────────


def _quick_replies(words: Words, part: Part) -> list[Wire]:
    return [{"type": "quick_replies", "items": [words.button(item) for item in part["items"]]}]


def _date_form(words: Words, part: Part) -> list[Wire]:
    limits = part["limits"]
    units = part.get("units") or {}
    first = part.get("date") or part.get("first_free") or ""
    fields: list[Wire] = [
        {
            "name": "date",
            "kind": "date",
            "label": words.say("forms", "arrive" if part["nights"] else "date"),
            "value": first,
            "required": True,
            **limits,
        }
    ]
    if part["nights"]:
        fields.append(
            {
                "name": "end_date",
                "kind": "date",
                "label": words.say("forms", "leave"),
                "value": part.get("end_date") or "",
                "required": True,
                **limits,
            }
        )
    for name, unit, default in (("adults", "ADULT", 2), ("children", "CHILD", 0), ("infants", "INFANT", 0)):
        value = units.get(unit, 0 if units else default)
        fields.append(
            {"name": name, "kind": "stepper", "label": words.say("forms", name), "value": value, "min": 0, "max": part["max_party"]}
        )
    title = part.get("title") or words.say("forms", "when_title")
    return [{"type": "form", "id": "when", "title": title, "fields": fields, "submit": words.button(part["submit"], "primary")}]


def _offer_form(words: Words, part: Part) -> list[Wire]:
    fields: list[Wire] = [
        {
            "name": "amount",
            "kind": "text",
            "label": words.say("forms", "offer_amount", currency=part["currency"]),
            "value": "",
            "required": True,
        },
        {"name": "message", "kind": "text", "label": words.say("forms", "offer_message"), "value": ""},
    ]
    title = words.say("forms", "offer_title")
    return [{"type": "form", "id": "offer", "title": title, "fields": fields, "submit": words.button(part["submit"], "primary")}]


def _contact_form(words: Words, part: Part) -> list[Wire]:
    fields: list[Wire] = [
        {
            "name": "name",
            "kind": "text",
            "label": words.say("forms", "name"),
            "value": part["name"],
            "required": True,
            "autocomplete": "name",
        },
        {
            "name": "email",
            "kind": "email",
            "label": words.say("forms", "email"),
            "value": part["email"],
            "required": True,
            "autocomplete": "email",
        },
        {
            "name": "requests",
            "kind": "textarea",
            "label": words.say("forms", "requests"),
            "help": words.say("forms", "requests_help"),
            "value": "",
        },
        {"name": "terms", "kind": "checkbox", "label": words.say("forms", "terms"), "required": True},
    ]
    return [
        {
            "type": "form",
            "id": "contact",
            "title": words.say("forms", "contact_title"),
            "text": words.say("forms", "contact_text"),
            "fields": fields,
            "submit": words.button(part["submit"], "primary"),
        }
    ]


# ── events ────────────────────────────────────────────────────────────────────────────────────────


def _event(words: Words, part: Part) -> list[Wire]:
    name, facts = part["event"], part.get("facts", {})
    buttons = [words.button(raw, "plain") for raw in part.get("actions", ())]
    drawer = EVENTS.get(name)
    if drawer is not None:
        return drawer(words, facts, buttons)
    if not has("events", name):
        return []
    drawn: list[Wire] = [{"type": "text", "text": words.say("events", name, **_plain(words, facts))}]
    return [*drawn, {"type": "quick_replies", "items": buttons}] if buttons else drawn


def _plain(words: Words, facts: Mapping[str, Any]) -> dict[str, Any]:
    shown = {"title": "", "message": "", "reference": "", "ahead": 0, **facts}
    shown["when"] = words.when(facts)
    shown["party"] = words.party(facts.get("units"))
    if facts.get("amount") is not None and facts.get("currency"):
        shown["price"] = words.price(facts["amount"], facts["currency"])
    if facts.get("how") == "on_quote":
        shown["price"] = words.say("cards", "badge_quote").lower()
    return shown


def _sold_out(words: Words, facts: Part, buttons: list[Wire]) -> list[Wire]:
    name = "sold_out_free" if facts.get("free") else "sold_out"
    return [{"type": "text", "text": words.say("events", name, message=facts["message"])}]


def _person_called(words: Words, facts: Part, buttons: list[Wire]) -> list[Wire]:
    ahead = int(facts.get("ahead") or 0)
    told: list[Wire] = [{"type": "text", "text": words.say("events", "person_called", ahead=words.count("person", ahead))}] if ahead else []
    return [*told, {"type": "quick_replies", "items": buttons}]


def _handed_back(words: Words, facts: Part, buttons: list[Wire]) -> list[Wire]:
    """What came of talking to a person, in the traveler's words."""
    lines = [_booking_line(words, one) for one in facts.get("bookings", ())]
    if facts.get("lines"):
        total = " + ".join(words.price(amount, currency) for currency, amount in facts.get("totals", {}).items())
        lines.append(words.say("status", "handed_back_cart", lines=", ".join(facts["lines"]), total=total))
    title = words.say("status", "handed_back", expert=facts.get("expert") or "")
    return _status("info", words, title, "", lines, buttons)


def _book_on_partner(words: Words, facts: Part, buttons: list[Wire]) -> list[Wire]:
    groups = [{"lines": [_line(words, line, with_button=False) for line in facts["lines"]]}]
    return [{"type": "summary", "title": words.say("events", "book_on_partner"), "groups": groups, "buttons": []}]


def _status(tone: str, words: Words, title: str, text: str, lines: Sequence[str], buttons: list[Wire], **more: Any) -> list[Wire]:
    return [
        {
            "type": "status",
            "tone": tone,
            "title": title,
            "text": text,
            "lines": [line for line in lines if line],
            "buttons": buttons,
            **more,
        }
    ]


def _booking_line(words: Words, one: Mapping[str, Any]) -> str:
    return f"{one['title']} \u00b7 {words.when(one)} \u00b7 {words.party(one.get('units'))} \u00b7 {one['reference']}"


def _payment_ready(words: Words, facts: Part, buttons: list[Wire]) -> list[Wire]:
    amount = words.price(facts["amount"], facts["currency"])
    name = {"BALANCE": "balance_ready", "CHANGE": "change_ready"}.get(facts.get("kind", ""), "payment_ready")
    name = "card_ready" if facts.get("manual") else name
    until = words.say("status", f"{name}_until", until=words.moment(facts["expires_at"], None))
    pay = [_pay_button(words, facts)] if facts.get("url") else []
    return _status(
        "warn",
        words,
        words.say("status", name, amount=amount),
        until,
        [_booking_line(words, one) for one in facts.get("bookings", ())],
        [*pay, *buttons],
    )


def _card_reserved(words: Words, facts: Part, buttons: list[Wire]) -> list[Wire]:
    amount = words.price(facts["amount"], facts["currency"])
    text = words.say("status", "card_reserved_text", provider=facts["provider"])
    lines = [f"{facts['title']} \u00b7 {facts['reference']}"]
    return _status("info", words, words.say("status", "card_reserved", amount=amount), text, lines, buttons, settles=facts["payment_id"])


def _booking_confirmed(words: Words, facts: Part, buttons: list[Wire]) -> list[Wire]:
    paid = facts.get("paid")
    text = (
        words.say(
            "status", "booking_confirmed_paid", amount=words.price(paid["amount"], paid["currency"]), email=facts.get("email") or "\u2013"
        )
        if paid
        else words.say("status", "booking_confirmed_free")
    )
    references = [one["reference"] for one in facts["bookings"]]
    lines = [_booking_line(words, one) for one in facts["bookings"]]
    balance = facts.get("balance")
    if balance:
        left = words.price(balance["amount"], balance["currency"])
        lines.append(words.say("status", "balance_left", amount=left, due=words.moment(balance["due_at"], None)))
    return _status(
        "ok",
        words,
        words.say("status", "booking_confirmed"),
        text,
        lines,
        [*buttons, *words.own_page()],
        references=references,
        settles=facts.get("payment_id"),
    )


def _balance_due(words: Words, facts: Part, buttons: list[Wire]) -> list[Wire]:
    title = words.say("status", "balance_due", left=words.price(facts["left"], facts["currency"]), title=facts["title"])
    due, ends = words.moment(facts["due_at"], None), words.moment(facts["ends_at"], None)
    lines = [_booking_line(words, facts)]
    return _status("warn", words, title, words.say("status", "balance_due_text", due=due, ends=ends), lines, buttons)


def _balance_paid(words: Words, facts: Part, buttons: list[Wire]) -> list[Wire]:
    paid = facts["paid"]
    text = words.say("status", "balance_paid_text", amount=words.price(paid["amount"], paid["currency"]))
    lines = [_booking_line(words, one) for one in facts["bookings"]]
    return _status("ok", words, words.say("status", "balance_paid"), text, lines, buttons, settles=facts["payment_id"])


def _request_sent(words: Words, facts: Part, buttons: list[Wire]) -> list[Wire]:
    until = words.moment(facts["respond_by"], facts.get("time_zone"))
    title = words.say("status", "quote_sent" if facts.get("kind") == "quote" else "request_sent", provider=facts["provider"])
    return _status("info", words, title, words.say("status", "request_sent_text", until=until), [_booking_line(words, facts)], buttons)


def _offer_received(words: Words, facts: Part, buttons: list[Wire]) -> list[Wire]:
    """What is offered first, then what it is instead of, in the provider's own words last."""
    asked = facts["asked"]
    price = words.price(facts["amount"], facts["currency"])
    moved = words.when(facts) != words.when(asked)
    title = words.say(
        "status", "offer_received_other" if moved else "offer_received", provider=facts["provider"], price=price, when=words.when(facts)
    )
    instead = ""
    if facts["kind"] != "quote":
        instead = words.say("status", "offer_instead", when=words.when(asked), price=words.price(asked["amount"], asked["currency"]))
    elif moved:
        instead = words.say("status", "offer_instead_day", when=words.when(asked))
    said = words.say("status", "answer", answer=facts["message"]) if facts.get("message") else ""
    text = words.say("status", "offer_received_text", until=words.moment(facts["valid_until"], None))
    first, *rest = buttons or [{}]
    styled = [{**first, "style": "primary"}, *rest] if first else []
    return _status("warn", words, title, text, [_booking_line(words, facts), instead, said], styled)


def _wish_sent(words: Words, facts: Part, buttons: list[Wire]) -> list[Wire]:
    price = words.price(facts["amount"], facts["currency"])
    title = words.say("status", "wish_sent", provider=facts["provider"], price=price)
    text = words.say("status", "wish_sent_text", until=words.moment(facts["respond_by"], None))
    return _status("info", words, title, text, [_booking_line(words, facts)], buttons)


def _request_approved(words: Words, facts: Part, buttons: list[Wire]) -> list[Wire]:
    text = (
        words.say("status", "request_approved_charging")
        if facts.get("charging")
        else words.say("status", "request_approved_pay", until=words.moment(facts["pay_by"], None))
        if facts.get("pay_by")
        else words.say("status", "request_approved_done")
    )
    lines = [_booking_line(words, facts), _answer(words, facts)]
    return _status("ok", words, words.say("status", "request_approved", provider=facts["provider"]), text, lines, buttons)


def _offer_accepted(words: Words, facts: Part, buttons: list[Wire]) -> list[Wire]:
    (drawn,) = _request_approved(words, facts, buttons)
    return [{**drawn, "title": words.say("status", "offer_accepted", provider=facts["provider"])}]


def _answer(words: Words, facts: Part) -> str:
    return words.say("status", "answer", answer=facts["answer"]) if facts.get("answer") else ""


def _request_declined(words: Words, facts: Part, buttons: list[Wire]) -> list[Wire]:
    title = words.say("status", "request_declined", provider=facts["provider"])
    lines = [_booking_line(words, facts), _answer(words, facts)]
    return _status("bad", words, title, words.say("status", "request_declined_text"), lines, buttons)


def _booking_cancelled(words: Words, facts: Part, buttons: list[Wire]) -> list[Wire]:
    by_provider = facts.get("by") == "provider"
    who = {"provider": "_provider", "house": "_house"}.get(facts.get("by", ""), "")
    title = words.say("status", f"booking_cancelled{who}", provider=facts.get("provider", ""))
    if facts.get("refund"):
        text = words.say("status", "booking_cancelled_refund", amount=words.price(facts["refund"], facts["currency"]))
    else:
        text = words.say("status", "booking_cancelled_free" if facts.get("pay_at_provider") else "booking_cancelled_none")
    reason = words.say("status", "answer", answer=facts["reason"]) if facts.get("reason") else ""
    return _status("bad" if by_provider else "info", words, title, text, [_booking_line(words, facts), reason], buttons)


def _ended(name: str) -> Callable[[Words, Part, list[Wire]], list[Wire]]:
    def draw(words: Words, facts: Part, buttons: list[Wire]) -> list[Wire]:
        lines = [_booking_line(words, one) for one in facts.get("bookings", [facts] if facts.get("reference") else [])]
        said, why = words.say("status", name), words.say("status", f"{name}_text")
        return _status("bad", words, said, why, lines, buttons, settles=facts.get("payment_id"))

    return draw


def _refund_sent(words: Words, facts: Part, buttons: list[Wire]) -> list[Wire]:
    title = words.say("status", "refund_sent", amount=words.price(facts["amount"], facts["currency"]))
    text = words.say("status", "refund_sent_text", reason=facts["reason"]) if facts.get("reason") else ""
    return _status("info", words, title, text, [], buttons)


def _partners(words: Words, part: Part) -> list[Wire]:
    """Links out, with what has to be said about them in the same message, by code."""
    buttons = [{"label": words.say("partners", "open", name=one["name"]), "url": one["url"], "style": "plain"} for one in part["items"]]
    told = "commission" if any(one["commission"] for one in part["items"]) else "plain"
    return _status("info", words, words.say("partners", "title"), words.say("partners", told), [], buttons)


def _bookings(words: Words, part: Part) -> list[Wire]:
    lines = []
    for one in part["items"]:
        line: Wire = {
            "label": one["title"],
            "detail": f"{words.when(one)} \u00b7 {one['reference']} \u00b7 {words.say('booking_status', one['status'])}",
            "amount": words.price(one["amount"], one["currency"]),
        }
        if one.get("owed"):
            left = words.price(one["owed"], one["currency"])
            due = words.moment(one["balance_due_at"], None) if one.get("balance_due_at") else ""
            line["detail"] += "\n" + words.say("status", "balance_left", amount=left, due=due)
        if one.get("buttons"):
            line["buttons"] = [words.button(raw) for raw in one["buttons"]]
        lines.append(line)
    return [{"type": "summary", "title": words.say("status", "bookings_title"), "groups": [{"lines": lines}], "buttons": words.own_page()}]


EVENTS: Mapping[str, Callable[[Words, Part, list[Wire]], list[Wire]]] = {
    "sold_out": _sold_out,
    "person_called": _person_called,
    "book_on_partner": _book_on_partner,
    "handed_back": _handed_back,
    "payment_ready": _payment_ready,
    "card_reserved": _card_reserved,
    "booking_confirmed": _booking_confirmed,
    "booking_changed": _booking_changed,
    "change_too_late": _ended("change_too_late"),
    "change_expired": _ended("change_expired"),
    "balance_due": _balance_due,
    "balance_paid": _balance_paid,
    "balance_page_ended": _ended("balance_page_ended"),
    "request_sent": _request_sent,
    "request_approved": _request_approved,
    "offer_received": _offer_received,
    "offer_accepted": _offer_accepted,
    "offer_expired": _ended("offer_expired"),
    "wish_sent": _wish_sent,
    "request_declined": _request_declined,
    "request_expired": _ended("request_expired"),
    "payment_expired": _ended("payment_expired"),
    "paid_too_late": _ended("paid_too_late"),
    "refund_sent": _refund_sent,
    "booking_cancelled": _booking_cancelled,
}

DRAWERS: Mapping[str, Callable[[Words, Part], list[Wire]]] = {
    "text": _text,
    "pressed": _pressed,
    "offers": _offers,
    "details": _details,
    "days": _days,
    "cart": _cart,
    "proposal": _proposal,
    "plan": _plan,
    "comparison": _comparison,
    "memory": _memory,
    "cancellation": _cancellation,
    "change": _change,
    "price": _price,
    "quick_replies": _quick_replies,
    "date_form": _date_form,
    "contact_form": _contact_form,
    "offer_form": _offer_form,
    "partners": _partners,
    "bookings": _bookings,
    "event": _event,
}
