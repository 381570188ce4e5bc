"""Payments settled per second: link made, page paid, state fetched, booking confirmed and booked, through the real Stripe adapter.

The payment sandbox runs in a process of its own, on the real wire; every request passes its check against Stripe's own types.
`our_share` is the part of the time that is neither spent waiting for the gateway nor for the traveler's page: our rows, our
books, our jobs. With several threads it includes their waiting for each other. Bar: more than 20 settled a second.
"""

from __future__ import annotations

import multiprocessing
import queue
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import httpx
from sqlalchemy import func, select

from benchmarks.bench import Progress, arguments, close, database, percentile, table
from core.engine import Engine
from core.payments import collect, ledger
from core.payments.stripe_connect import StripeGateway
from core.schema import booking, payment
from tests import builders
from tests.sandbox import SECRETS, sandbox_at


def serve(folder: str, pipe: Pipe) -> None:
    """The sandbox, until the pipe says that it is over."""
    with sandbox_at(Path(folder) / "sandbox.db") as bench:
        pipe.send(bench.url)
        pipe.recv()


class Stopwatch:
    """The adapter, with the time that was spent in its calls, over all threads."""

    def __init__(self, inner: StripeGateway) -> None:
        self._inner = inner
        self._lock = threading.Lock()
        self.seconds = 0.0

    def spend(self, since: float) -> None:
        with self._lock:
            self.seconds += time.perf_counter() - since

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._inner, name)

        def timed(*values: Any, **named: Any) -> Any:
            begun = time.perf_counter()
            try:
                return call(*values, **named)
            finally:
                self.spend(begun)

        return timed


def settle(engine: Engine, gateway: Stopwatch, browser: httpx.Client, payment_id: str) -> None:
    """What happens between "pay" and "confirmed"."""
    made = collect.ensure_link(engine, payment_id)
    begun = time.perf_counter()
    browser.post(made["url"], data={"tap": "success"})
    gateway.spend(begun)
    done = collect.sync(engine, payment_id)
    assert done["status"] == "paid", done


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--payments", type=int, default=300, help="how many (default: 300)")
    parser.add_argument("--workers", type=int, default=4, help="threads at once (default: 4)")
    given = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory(prefix="bench") as folder, database(given.db) as db:
        sandbox = multiprocessing.get_context("spawn").Process(target=serve, args=(folder, theirs), daemon=True)
        sandbox.start()
        url = ours.recv()
        real = StripeGateway(secret_key=SECRETS.api_key, webhook_secrets=SECRETS.webhook_secret, api_base=url)
        gateway = Stopwatch(real)
        engine = Engine(db=db, gateway=gateway, clock=lambda: datetime.now(UTC))  # type: ignore[arg-type]
        builders.products(engine, "kayak", places=100_000)
        progress = Progress("carts", given.payments)
        waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
        for i in range(given.payments + given.workers):
            waiting.put(builders.buy(engine, "kayak", actor=builders.traveler(engine, email=f"t{i}@example.com")))
            progress.step()
        took: list[float] = []
        spent: list[float] = []

        def work(browser: httpx.Client, progress: Progress) -> None:
            begun = time.perf_counter()
            while True:
                try:
                    payment_id = waiting.get_nowait()
                except queue.Empty:
                    break
                at = time.perf_counter()
                settle(engine, gateway, browser, payment_id)
                took.append(time.perf_counter() - at)
                progress.step()
            spent.append(time.perf_counter() - begun)

        with httpx.Client(trust_env=False) as browser:
            for _ in range(given.workers):  # the first ones load what they need, uncounted
                settle(engine, gateway, browser, waiting.get())
            gateway.seconds = 0.0
            progress = Progress("settled", given.payments)
            threads = [threading.Thread(target=work, args=(browser, progress)) for _ in range(given.workers)]
            begun = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            seconds = time.perf_counter() - begun
        with db.read() as tx:
            paid = tx.execute(select(func.count()).where(payment.c.status == "paid")).scalar_one()
            confirmed = tx.execute(select(func.count()).where(booking.c.status == "CONFIRMED")).scalar_one()
            unbalanced = len(ledger.unbalanced(tx))
        ours.send("over")
        sandbox.join(10)
        real.close()
    per_s = len(took) / seconds
    share = 1 - gateway.seconds / sum(spent)
    table(
        [
            ("settled", len(took)),
            ("settled per second", per_s),
            ("median, ms", percentile(took, 0.5) * 1000),
            ("p99, ms", percentile(took, 0.99) * 1000),
            ("our share of the time", share),
            ("payments paid", paid),
            ("bookings confirmed", confirmed),
            ("postings that do not sum to zero", unbalanced),
        ]
    )
    assert paid == confirmed == given.payments + given.workers
    assert unbalanced == 0
    close({"db": given.db, "per_s": round(per_s, 1), "our_share": round(share, 3), "settled": len(took), "workers": given.workers})


if __name__ == "__main__":
    main()
