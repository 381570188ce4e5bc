"""Day and party pickers as inline keyboards: a month at a time, then the people. All that was picked is in the buttons.

A button says `pick:<part>:<date>:<end>:<adults>.<children>.<infants>:<view>`: at most 64 bytes, nothing to remember between
two taps, and every value is checked again when the form is sent.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from babel.dates import format_date, get_day_names

from channels.phrases import phrase, speaks

Markup = dict[str, Any]
PEOPLE = ("adults", "children", "infants")


class Form:
    """What a date form knows and what has been picked so far."""

    def __init__(self, part: Mapping[str, Any], locale: str) -> None:
        self.locale = (locale if speaks(locale) else "en").replace("-", "_")
        self.part = int(part["part"])
        self.fields = {field["name"]: field for field in part["fields"]}
        self.nights = "end_date" in self.fields
        self.submit = str(part["submit"]["label"])
        picked: Sequence[str] = part.get("picked") or ()
        first = self.fields["date"]
        self.min, self.max = date.fromisoformat(first["min"]), date.fromisoformat(first["max"])
        self.first = _day(picked[0]) if picked else _day(first.get("value") if part.get("fixed") else "")
        self.last = _day(picked[1]) if picked else None
        people = picked[2].split(".") if picked else [str(self.fields[name]["value"]) for name in PEOPLE]
        self.people = [min(int(count or 0), int(self.fields[name]["max"])) for name, count in zip(PEOPLE, people, strict=True)]
        self.view = picked[3] if len(picked) > 3 else f"m{(_day(first.get('value')) or self.min):%Y-%m}"

    def data(self, *, first: date | None, last: date | None, people: Sequence[int], view: str) -> str:
        days = f"{first.isoformat() if first else '-'}:{last.isoformat() if last else '-'}"
        return f"pick:{self.part}:{days}:{'.'.join(map(str, people))}:{view}"

    def say(self, section: str, name: str) -> str:
        return str(phrase(self.locale, section, name))

    def day(self, one: date) -> str:
        return format_date(one, "EEE d MMM", locale=self.locale)


def _day(text: Any) -> date | None:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        return None


def draw(part: Mapping[str, Any], locale: str) -> tuple[str, list[list[Markup]]]:
    """The form's text and keyboard for what has been picked so far."""
    form = Form(part, locale)
    complete = form.first is not None and (not form.nights or form.last is not None)
    if form.view.startswith("m") or not complete:
        return _month(form)
    return _party(form)


def _month(form: Form) -> tuple[str, list[list[Markup]]]:
    shown = _day(f"{form.view[1:]}-01") if form.view.startswith("m") else None
    shown = shown or (form.first or form.min).replace(day=1)
    leaving = form.nights and form.first is not None and form.last is None
    asked = form.say("forms", "leave" if leaving else "arrive" if form.nights else "date")
    text = f"{form.day(form.first)} \u2013 {asked}?" if leaving and form.first else f"{asked}?"
    names = get_day_names("short", locale=form.locale)
    rows = [[_still(names[number]) for number in range(7)]]
    lowest = form.first + timedelta(days=1) if leaving and form.first else form.min
    for week in calendar.Calendar().monthdatescalendar(shown.year, shown.month):
        row = []
        for one in week:
            if one.month != shown.month or one < lowest or one > form.max:
                row.append(_still("\u00b7" if one.month == shown.month else " "))
                continue
            first, last = (form.first, one) if leaving else (one, None)
            view = "p" if not form.nights or leaving else f"m{one:%Y-%m}"
            row.append({"text": str(one.day), "callback_data": form.data(first=first, last=last, people=form.people, view=view)})
        rows.append(row)
    before = shown - timedelta(days=1)
    after = (shown + timedelta(days=32)).replace(day=1)
    title = format_date(shown, "LLLL y", locale=form.locale)
    rows.append(
        [
            _turn(form, "\u2039", before) if before >= form.min.replace(day=1) else _still(" "),
            _still(title),
            _turn(form, "\u203a", after) if after <= form.max else _still(" "),
        ]
    )
    return text, rows


def _turn(form: Form, label: str, month: date) -> Markup:
    return {"text": label, "callback_data": form.data(first=form.first, last=form.last, people=form.people, view=f"m{month:%Y-%m}")}


def _still(label: str) -> Markup:
    return {"text": label, "callback_data": "nothing"}


def _party(form: Form) -> tuple[str, list[list[Markup]]]:
    days = form.day(form.first) if form.first else ""
    days += f" \u2013 {form.day(form.last)}" if form.last else ""
    rows = []
    for at, name in enumerate(PEOPLE):
        row = []
        for label, step in (("\u2212", -1), ("+", 1)):
            people = list(form.people)
            people[at] = max(0, min(people[at] + step, int(form.fields[name]["max"])))
            same = people == form.people
            data = "nothing" if same else form.data(first=form.first, last=form.last, people=people, view="p")
            row.append({"text": label if not same else " ", "callback_data": data})
        rows.append([row[0], _still(f"{form.fields[name]['label']}: {form.people[at]}"), row[1]])
    back = form.data(first=None, last=None, people=form.people, view=f"m{form.first or form.min:%Y-%m}")
    rows.append([{"text": form.say("buttons", "choose_date"), "callback_data": back}])
    done = form.data(first=form.first, last=form.last, people=form.people, view="ok")
    rows.append([{"text": form.submit, "callback_data": done}])
    return days, rows
