"""How much is too much: counted per conversation or address, answered with 429 and when to come back."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from limits import parse
from limits.storage import storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter

from channels.web.errors import RateLimited


@dataclass(frozen=True, slots=True)
class Allowance:
    """Strings as the `limits` library reads them."""

    sessions: str = "40/hour"  # new conversations from one address
    messages: str = "40/minute"  # of one conversation
    typing: str = "60/minute"
    uploads: str = "30/hour"
    streams: str = "60/minute"
    sign_ins: str = "10/5 minutes"  # from one address
    calendars: str = "240/minute"  # read by one address
    photos: str = "600/minute"  # looked at from one address
    joins: str = "10/hour"  # sign-ups and new links from one address
    links: str = "120/minute"  # to partners, followed from one address
    calls: str = "240/minute"  # of one program


SENTENCES = {
    "sessions": "Too many new chats were started from here. Please try again in {wait}.",
    "messages": "That was a lot at once. Please wait {wait} and send it again.",
    "typing": "Please slow down a little.",
    "uploads": "That is the most files we can take for now. Please try again in {wait}.",
    "streams": "This chat was opened too often. Please wait {wait}.",
    "calendars": "Too many calendars were read from here. Please try again in {wait}.",
    "calls": "Too many calls were made with this token. Please try again in {wait}.",
    "links": "Too many links were followed from here. Please try again in {wait}.",
    "photos": "Too many pictures were opened from here. Please try again in {wait}.",
    "joins": "Too many tries from here. Please try again in {wait}.",
    "sign_ins": "Too many tries. Please wait {wait} and use the newest link.",
}


class Limits:
    """`check` counts one and raises RateLimited once the allowance is used up. Thread-safe; shared through Redis where there is one."""

    def __init__(self, allowance: Allowance, redis_url: str = "") -> None:
        self._limiter = SlidingWindowCounterRateLimiter(storage_from_string(redis_url or "memory://"))
        self._rules = {name: parse(getattr(allowance, name)) for name in SENTENCES}

    def check(self, what: str, who: str) -> dict[str, str]:
        """Headers that say what is left: how many in all, how many still, and after how many seconds all of them again."""
        rule = self._rules[what]
        if self._limiter.hit(rule, what, who):
            stats = self._limiter.get_window_stats(rule, what, who)
            again = max(0, math.ceil(stats.reset_time - time.time()))
            return {"ratelimit-limit": str(rule.amount), "ratelimit-remaining": str(stats.remaining), "ratelimit-reset": str(again)}
        left = self._limiter.get_window_stats(rule, what, who).reset_time - time.time()
        seconds = max(1, math.ceil(left))
        raise RateLimited(SENTENCES[what].format(wait=_words(seconds)), retry_after=seconds)


def _words(seconds: int) -> str:
    if seconds < 90:
        return "a second" if seconds == 1 else f"{seconds} seconds"
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes < 90 else f"{round(minutes / 60)} hours"
