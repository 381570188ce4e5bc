"""The same conversation in a terminal: what the web page draws, in plain lines; buttons are letters.

The port of the web door is served from here too while nobody else does, because pay links lead to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from channels import inbox
from channels.render import wire
from core import conversations, people
from core.engine import Actor
from core.errors import CoreError

if TYPE_CHECKING:
    from channels.house import House

ANSWER_WITHIN = 60.0
BOLD, DIM, BLUE, GREEN, YELLOW, RED, OFF = "\033[1m", "\033[2m", "\033[36m", "\033[32m", "\033[33m", "\033[31m", "\033[0m"
TONES = {"ok": GREEN, "warn": YELLOW, "bad": RED, "info": BLUE}
HELP = "Type what you want. [a], [b] ... are buttons: type the letter. /help, /new, /quit."


class Screen:
    """Prints wire parts; colours only where a person looks. Remembers the buttons by letter."""

    def __init__(self, *, colours: bool = False) -> None:
        self._colours = colours
        self.buttons: dict[str, Mapping[str, Any]] = {}
        self.forms: list[Mapping[str, Any]] = []

    def paint(self, text: str, colour: str) -> str:
        return f"{colour}{text}{OFF}" if self._colours and text else text

    def line(self, text: str = "") -> None:
        print(text, flush=True)

    def begin(self) -> None:
        """A new answer: old letters no longer count."""
        self.buttons.clear()
        self.forms.clear()

    def message(self, data: Mapping[str, Any]) -> None:
        name = data.get("name") or {"bot": "Traveloure", "system": "Traveloure", "expert": "Expert"}.get(str(data.get("role")), "")
        self.line()
        self.line(self.paint(str(name), BOLD + BLUE))
        for part in data.get("parts", ()):
            self.part(part)

    def part(self, part: Mapping[str, Any]) -> None:
        draw = getattr(self, f"_{part['type']}", None)
        if draw is None:
            self.line(f"  [{part['type']}]")
        else:
            draw(part)

    def _text(self, part: Mapping[str, Any]) -> None:
        for line in re.sub(r"\*\*(.+?)\*\*", lambda m: self.paint(m[1], BOLD), part["text"]).splitlines():
            self.line(f"  {line}")

    def _cards(self, part: Mapping[str, Any]) -> None:
        for number, card in enumerate(part["items"], 1):
            rating = f"  \u2605 {card['rating']} ({card['reviews']})" if card.get("rating") else ""
            self.line(f"  {number}. {self.paint(card['title'], BOLD)}{rating}  {self.paint(card['badge']['text'], DIM)}")
            price = " ".join(shown for shown in (card.get("price"), card.get("price_note")) if shown)
            about = " \u00b7 ".join([*card.get("meta", ()), *([card["note"]] if card.get("note") else [])])
            self.line(f"     {self.paint(price, GREEN)}  {about}")
            self.line(f"     {self._row(card['buttons'])}")

    def _summary(self, part: Mapping[str, Any]) -> None:
        self.line(f"  {self.paint(part['title'], BOLD)}")
        for group in part["groups"]:
            if group.get("title"):
                self.line(f"  {self.paint(group['title'], DIM)}")
            for line in group["lines"]:
                pressable = [*([line["button"]] if line.get("button") else []), *line.get("buttons", ())]
                button = f"  {self._row(pressable)}" if pressable else ""
                self.line(f"    {line['label']}  {self.paint(line.get('amount', ''), GREEN)}{button}")
                for detail in str(line.get("detail") or "").splitlines():
                    self.line(f"      {self.paint(detail, DIM)}")
        if part.get("total"):
            self.line(f"  {self.paint(part['total']['label'] + '  ' + part['total']['amount'], BOLD)}")
        if part.get("note"):
            self.line(f"  {self.paint(part['note'], DIM)}")
        if part["buttons"]:
            self.line(f"  {self._row(part['buttons'])}")

    def _status(self, part: Mapping[str, Any]) -> None:
        self.line(f"  {self.paint(part['title'], BOLD + TONES.get(part['tone'], ''))}")
        for line in [part.get("text"), *part.get("lines", ())]:
            if line:
                self.line(f"  {line}")
        if part.get("buttons"):
            self.line(f"  {self._row(part['buttons'])}")

    def _quick_replies(self, part: Mapping[str, Any]) -> None:
        self.line(f"  {self._row(part['items'])}")

    def _form(self, part: Mapping[str, Any]) -> None:
        self.forms.append(part)
        self.line(f"  {self.paint(part['title'], BOLD)}  {self._row([part['submit']], form=part)}")
        if part.get("text"):
            self.line(f"  {part['text']}")

    def _file(self, part: Mapping[str, Any]) -> None:
        self.line(f"  {part['name']}: {part['url']}")

    def _row(self, buttons: Sequence[Mapping[str, Any]], *, form: Mapping[str, Any] | None = None) -> str:
        shown = []
        for button in buttons:
            if button.get("url"):
                shown.append(f"{button['label']}: {self.paint(button['url'], BLUE)}")
                continue
            letter = _letter(len(self.buttons))
            self.buttons[letter] = {**button, "form": form}
            shown.append(f"[{self.paint(letter, YELLOW)}] {button['label']}")
        return "   ".join(shown)


def _letter(n: int) -> str:
    return chr(97 + n) if n < 26 else chr(97 + n // 26 - 1) + chr(97 + n % 26)


def chat(house: House, *, serve: bool, new: bool) -> int:
    """Talk until the person leaves. Returns the exit code."""
    screen = Screen(colours=sys.stdout.isatty() and not house.settings.no_color)
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  arrow keys and history while typing
    token_file = house.settings.data_dir / "terminal-session"
    actor = _actor(house, token_file, new=new)
    with _at_work(house, serve=serve):
        seen = _show_after(house, actor, screen, 0)
        screen.line()
        screen.line(screen.paint(HELP, DIM))
        while True:
            try:
                typed = input(screen.paint("\nyou> ", BOLD)).strip()
            except EOFError:
                screen.line()
                return 0
            if typed.lower() in ("/quit", "/exit", "/q", "quit", "exit"):
                return 0
            if typed == "/help":
                screen.line(HELP)
                continue
            if typed == "/new":
                actor = _actor(house, token_file, new=True)
                screen.begin()
                seen = _show_after(house, actor, screen, 0)
                continue
            try:
                sent = _send(house, actor, screen, typed)
            except CoreError as error:
                screen.line(f"  {error.message}")
                continue
            if sent:
                seen = _wait_for_answer(house, actor, screen, max(seen, sent - 1), sent)
            else:
                seen = _show_after(house, actor, screen, seen)


def _actor(house: House, token_file: Path, *, new: bool) -> Actor:
    """Who sits here: the conversation of the last time, or a new one."""
    engine = house.engine
    if not new and token_file.exists():
        with engine.db.read() as tx:
            person = people.who(tx, token_file.read_text().strip(), "chat", engine.clock())
        if person is not None and person.conversation_id:
            return Actor(person.account_id, conversation_id=person.conversation_id, channel="terminal")
    conversation_id, token = conversations.start(engine, channel="terminal", welcome=inbox.welcome("en"))
    token_file.parent.mkdir(parents=True, exist_ok=True)
    token_file.touch(mode=0o600)
    token_file.write_text(token)
    with engine.db.read() as tx:
        owner = conversations.get(tx, conversation_id).account_id
    return Actor(owner, conversation_id=conversation_id, channel="terminal")


def _send(house: House, actor: Actor, screen: Screen, typed: str) -> int | None:
    """Send words, or press the button of a letter; returns the line's number, None where nothing was sent."""
    if not typed:
        return None
    client_id = uuid.uuid4().hex
    button = screen.buttons.get(typed.lower())
    if button is None:
        return inbox.say(house.engine, actor, client_id, typed)
    fields = _fill(screen, button["form"]) if button.get("form") else {}
    return inbox.press(house.engine, actor, client_id, str(button["action"]), fields)


def _fill(screen: Screen, form: Mapping[str, Any]) -> dict[str, Any]:
    """Ask for each field in turn; Enter keeps what is proposed."""
    values: dict[str, Any] = {}
    for field in form["fields"]:
        proposed = field.get("value", "")
        if field["kind"] == "checkbox":
            values[field["name"]] = input(f"  {field['label']} (yes/no): ").strip().lower() in ("y", "yes", "ok")
            continue
        hint = f" [{proposed}]" if proposed not in ("", None) else ""
        hint = hint or (" (YYYY-MM-DD)" if field["kind"] == "date" else "")
        typed = input(f"  {field['label']}{hint}: ").strip()
        values[field["name"]] = typed or proposed
    return values


def _show_after(house: House, actor: Actor, screen: Screen, after: int, *, skip: int = 0) -> int:
    """Print what was said after a number, the traveler's own lines left out; returns the last number."""
    fresh = False
    while True:
        with house.engine.db.read() as tx:
            rows = conversations.log_after(tx, actor.conversation_id, after)
            locale = conversations.get(tx, actor.conversation_id).locale
        if not rows:
            return after
        for row in rows:
            after = row.seq
            if row.role == "traveler" and row.seq >= skip > 0:
                continue
            data = wire(house.settings.base_url, row, locale)
            if row.kind == "state":
                if data.get("text"):
                    screen.line(screen.paint(f"  -- {data['text']}", DIM))
                continue
            if row.role == "traveler":
                screen.line(screen.paint("\nyou> ", BOLD) + " ".join(part.get("text", "") for part in data["parts"]))
                continue
            if not fresh:
                screen.begin()
                fresh = True
            screen.message(data)


def _wait_for_answer(house: House, actor: Actor, screen: Screen, seen: int, sent: int) -> int:
    """Show what comes until this line has been answered, or a person is to answer it."""
    until = time.monotonic() + ANSWER_WITHIN
    while time.monotonic() < until:
        seen = _show_after(house, actor, screen, seen, skip=sent)
        with house.engine.db.read() as tx:
            row = conversations.get(tx, actor.conversation_id)
            waits = conversations.is_waiting(tx, actor.conversation_id, sent)
        if row.controller != "bot" or not waits:
            return _show_after(house, actor, screen, seen, skip=sent)
        time.sleep(0.05)
    screen.line(screen.paint("  -- no answer yet; it will appear here with your next line", DIM))
    return seen


@contextlib.contextmanager
def _at_work(house: House, *, serve: bool) -> Iterator[None]:
    """Do the jobs in a thread; with `serve` also the web door, so that pay links open."""
    if not serve:  # another process serves this port and works on the same database
        yield
        return
    import uvicorn

    from channels.main import web

    config = uvicorn.Config(
        web(house, works=True, pace=0.0), host=house.settings.host, port=house.settings.port, log_level="error", access_log=False,
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=5)
