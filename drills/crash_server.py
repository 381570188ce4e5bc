"""kill -9 of the whole server: in the middle of an answer, in the middle of a booking, and between payment and webhook.

A real `traveloure demo` process over HTTP with a real SQLite file. After each kill it is started again; then every line
must have exactly one answer, every paid booking must be confirmed exactly once, and counters and ledger must be right.
Bars: 0 lost, 0 doubled; open conversations whole within 4 s of the restart.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import httpx
from sqlalchemy import select

from benchmarks.bench import Progress, arguments, close, table
from core import holds
from core.db import Database
from core.payments import ledger
from core.schema import booking, message, payment

ROOT = Path(__file__).parent.parent


class Server:
    """A demo server that can be killed and started again on the same data."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.folder = folder
        self.base = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Returns the seconds until it was ready."""
        began = time.perf_counter()
        environment = {**os.environ, "TRAVELOURE_DATA": str(self.folder), "PORT": str(self.port), "PYTHONPATH": str(ROOT)}
        log = (self.folder.parent / "server.log").open("ab")
        self.process = subprocess.Popen([sys.executable, "-m", "channels.cli", "demo"], cwd=ROOT, env=environment, stdout=log, stderr=log)
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                if httpx.get(f"{self.base}/readyz", timeout=1).status_code == 200:
                    return time.perf_counter() - began
            except httpx.TransportError:
                time.sleep(0.05)
        raise RuntimeError(f"The server did not start; see {self.folder.parent / 'server.log'}")

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Traveler:
    """Speaks the chat's own protocol."""

    def __init__(self, server: Server) -> None:
        self.server = server
        opened = httpx.post(f"{server.base}/chat/v1/session", json={"locale": "en"}, timeout=10).json()
        self.conversation = opened["conversation"]
        self.headers = {"authorization": f"Bearer {opened['token']}"}

    def post(self, body: dict[str, Any]) -> int:
        """Until it is accepted: a client keeps its message and its id until the server has answered."""
        body = {"id": uuid.uuid4().hex, **body}
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                answer = httpx.post(f"{self.server.base}/chat/v1/messages", json=body, headers=self.headers, timeout=10)
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            if answer.status_code == 202:
                return int(answer.json()["seq"])
            if answer.status_code < 500 and answer.status_code != 429:
                raise RuntimeError(f"{answer.status_code}: {answer.text}")
            time.sleep(0.05)
        raise RuntimeError("The message was never accepted.")

    def log(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            after = found[-1]["seq"] if found else 0
            page = httpx.get(f"{self.server.base}/chat/v1/history", params={"after": after}, headers=self.headers, timeout=10).json()
            if not page:
                return found
            found += page

    def wait_for(self, wanted: Any, seconds: float = 20) -> Any:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                found = wanted(self.log())
            except httpx.TransportError:
                found = None
            if found:
                return found
            time.sleep(0.05)
        raise RuntimeError(f"It never came: {[line['data'] for line in self.log()][-3:]}")

    def first_delta(self) -> threading.Event:
        """Set at the first piece of an answer."""
        seen = threading.Event()
        listening = threading.Event()

        def listen() -> None:
            try:
                with httpx.stream("GET", f"{self.server.base}/chat/v1/events", headers=self.headers, timeout=30) as stream:
                    for line in stream.iter_lines():
                        listening.set()
                        if line == "event: delta":
                            seen.set()
                            return
            except httpx.TransportError:
                return

        threading.Thread(target=listen, daemon=True).start()
        listening.wait(5)
        return seen


def answers_after(lines: list[dict[str, Any]], seq: int) -> list[dict[str, Any]]:
    return [line for line in lines if line["seq"] > seq and line["type"] == "message" and line["data"]["role"] == "bot"]


def press(lines: list[dict[str, Any]], label: str) -> str | None:
    """The action of the newest button with this label."""
    found = re.findall(rf'"label": "{label}[^"]*", "style": "[a-z]+", "action": "([0-9a-f]+)"', json.dumps(lines))
    found += re.findall(rf'"label": "{label}[^"]*", "action": "([0-9a-f]+)"', json.dumps(lines))
    return found[-1] if found else None


def mid_answer(server: Server) -> tuple[int, int, float]:
    """(lost, doubled, seconds from the restart to the answer)."""
    traveler = Traveler(server)
    heard = traveler.first_delta()
    seq = traveler.post({"text": "Something fun in Lisbon tomorrow for two"})
    heard.wait(10)
    server.kill()
    server.start()
    began = time.perf_counter()
    try:
        traveler.wait_for(lambda lines: answers_after(lines, seq))
    except RuntimeError:
        return 1, 0, 20.0
    healed = time.perf_counter() - began
    time.sleep(0.7)  # were there a second answer, it would be here by now
    return 0, len(answers_after(traveler.log(), seq)) - 1, healed


def around_payment(server: Server, rng: random.Random) -> tuple[int, int]:
    """(lost, doubled) of one booking whose server dies at a random moment around confirming and paying."""
    traveler = Traveler(server)
    seq = traveler.post({"text": "A surf lesson in Lisbon next Saturday for two"})
    lines = traveler.wait_for(lambda found: found if answers_after(found, seq) else None)
    traveler.post({"action": press(lines, "Add to trip")})
    lines = traveler.wait_for(lambda found: found if press(found, "09:00") or press(found, "Check out") else None)
    if press(lines, "Check out") is None:
        traveler.post({"action": press(lines, "09:00")})
        lines = traveler.wait_for(lambda found: found if press(found, "Check out") else None)
    traveler.post({"action": press(lines, "Check out")})
    lines = traveler.wait_for(lambda found: found if press(found, "Confirm") else None)
    traveler.post({"action": press(lines, "Confirm")})
    lines = traveler.wait_for(lambda found: found if press(found, "Confirm and book") else None)
    fields = {"name": "Ana Silva", "email": "ana@example.com", "terms": True}
    early = rng.random() < 0.5
    if early:  # die somewhere in the booking itself; the client sends the same press again
        threading.Timer(rng.uniform(0, 0.12), server.kill).start()
        confirm = {"id": uuid.uuid4().hex, "action": press(lines, "Confirm and book"), "fields": fields}
        with contextlib.suppress(httpx.TransportError):
            httpx.post(f"{server.base}/chat/v1/messages", json=confirm, headers=traveler.headers, timeout=5)
        time.sleep(0.15)
        server.start()
        traveler.post(confirm)
    else:
        traveler.post({"action": press(lines, "Confirm and book"), "fields": fields})
    pay = r'"url": "(http[^"]*/stripe-local/pay/[^"]*)"'
    lines = traveler.wait_for(lambda found: found if re.search(pay, json.dumps(found)) else None)
    match = re.search(pay, json.dumps(lines))
    assert match is not None
    with httpx.Client(timeout=10) as browser:
        page = browser.get(match[1])
        form = {"card": "4242424242424242", "number": "4242 4242 4242 4242", "expiry": "12 / 34", "cvc": "123"}
        if not early:
            threading.Timer(rng.uniform(0, 0.08), server.kill).start()
        with contextlib.suppress(httpx.TransportError):
            browser.post(str(page.url), data=form)
        if not early:
            time.sleep(0.12)
            server.start()
            again = browser.get(match[1])  # the traveler looks at the page again and pays if it was not paid
            if again.status_code == 200 and "Card number" in again.text:
                browser.post(str(again.url), data=form)

    def confirmed(found: list[dict[str, Any]]) -> bool:
        return "Booked and confirmed" in json.dumps(found)

    try:
        traveler.wait_for(confirmed, 40)
    except RuntimeError:
        return 1, 0
    return 0, json.dumps(traveler.log()).count("Booked and confirmed") - 1


def truth(folder: Path) -> dict[str, int]:
    """What the database says in the end."""
    database = Database(f"sqlite:///{folder}/traveloure.db")
    with database.read() as tx:
        rows = tx.execute(select(booking.c.conversation_id, booking.c.status)).all()
        paid = tx.execute(select(payment.c.id).where(payment.c.status == "paid")).all()
        doubled = tx.execute(select(message.c.mid).where(message.c.role == "bot", message.c.mid.like("b-%"))).scalars().all()
        result = {
            "confirmed": sum(row.status == "CONFIRMED" for row in rows),
            "other_bookings": sum(row.status != "CONFIRMED" for row in rows),
            "paid": len(paid),
            "drift": len(holds.drift(tx)),
            "unbalanced": len(ledger.unbalanced(tx)),
            "doubled_answers": len(doubled) - len(set(doubled)),
        }
    database.close()
    return result


def drill(runs: int, seed: int) -> dict[str, Any]:
    rng = random.Random(seed)
    lost = doubled = 0
    healed: list[float] = []
    with tempfile.TemporaryDirectory(prefix="crash") as place:
        folder = Path(place) / "data"
        server = Server(folder)
        starts = [server.start()]
        progress = Progress("kills", 2 * runs)
        try:
            for _ in range(runs):
                gone, twice, seconds = mid_answer(server)
                lost, doubled = lost + gone, doubled + twice
                healed.append(seconds)
                progress.step()
            for _ in range(runs):
                gone, twice = around_payment(server, rng)
                lost, doubled = lost + gone, doubled + twice
                progress.step()
        finally:
            server.kill()
        found = truth(folder)
    return {
        "kills": 2 * runs,
        "lost": lost,
        "doubled": doubled,
        "heal_s_max": round(max(healed), 2),
        "first_start_s": round(starts[0], 2),
        **found,
    }


if __name__ == "__main__":
    parser = arguments(__doc__ or "", db=False)
    parser.add_argument("--runs", type=int, default=6, help="kills of each kind")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    result = drill(given.runs, given.seed)
    table(list(result.items()))
    close(result)
    bad = result["lost"] + result["doubled"] + result["drift"] + result["unbalanced"] + result["doubled_answers"] + result["other_bookings"]
    sys.exit(1 if bad or result["heal_s_max"] > 4 else 0)
