"""What is configured, what falls back and why, and what would not work for a person on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from channels.mail.deliver import Server
from channels.settings import Settings
from core.db import Database
from core.errors import CoreError, Invalid
from core.migrate import is_current
from core.rates import read_rates
from core.schema import product


@dataclass(frozen=True, slots=True)
class Finding:
    """`level` is ok, note (a fallback that works) or problem (something a person has to do)."""

    level: str
    what: str
    says: str


def examine(settings: Settings) -> Iterator[Finding]:
    yield from _database(settings)
    yield _model(settings)
    yield from _payments(settings)
    yield from _address(settings)
    yield from _telegram(settings)
    yield from _slack(settings)
    yield _mail(settings)
    yield _rates(settings)
    yield _metrics(settings)


def _rates(settings: Settings) -> Finding:
    try:
        rates = read_rates(settings.rates_file)
    except Invalid as error:
        return Finding("problem", "rates", error.message)
    if settings.rates_file is None:
        said = f"Prices \u201cabout\u201d in another currency use rough rates of {rates.as_of or 'no known day'}, which nobody has checked. Set RATES_FILE."
        return Finding("note", "rates", said)
    return Finding("ok", "rates", f"{len(rates.euro)} currencies, as of {rates.as_of or 'no known day'}")


def _metrics(settings: Settings) -> Finding:
    if settings.metrics_token is None:
        return Finding("note", "metrics", "No METRICS_TOKEN: /metrics is closed.")
    return Finding("ok", "metrics", "/metrics is open to whoever sends METRICS_TOKEN")


def _database(settings: Settings) -> Iterator[Finding]:
    shown = urlsplit(settings.database)._replace(netloc=urlsplit(settings.database).hostname or "").geturl()
    try:
        database = Database(settings.database)
    except (CoreError, OSError, SQLAlchemyError) as error:
        yield Finding("problem", "database", f"{shown} cannot be opened: {error}. Check DATABASE_URL.")
        return
    try:
        if not is_current(database):
            yield Finding("problem", "database", f"{shown}: the schema is not current. Run: traveloure migrate")
            return
        with database.read() as tx:
            count = tx.execute(select(func.count()).select_from(product).where(product.c.published)).scalar_one()
        yield Finding("ok", "database", f"{shown}, {count:,} products on sale")
        if not count:
            yield Finding("problem", "catalogue", "Nothing is on sale. Run: traveloure demo, or traveloure catalog import FILES")
    except SQLAlchemyError as error:
        yield Finding("problem", "database", f"{shown} does not answer: {type(error).__name__}. Check DATABASE_URL.")
    finally:
        database.close()


def _mail(settings: Settings) -> Finding:
    if settings.smtp_url is None:
        return Finding(
            "note", "mail", "No mail server (SMTP_URL): the demo shows mail at /mail-local, a server keeps it on the operator's page."
        )
    try:
        server = Server.read(settings.smtp_url.get_secret_value())
    except ValueError as error:
        return Finding("problem", "mail", f"SMTP_URL cannot be used: {error}.")
    if settings.mail_webhook_secret is None:
        return Finding("note", "mail", f"Mail goes out by {server.host}; answers do not come in until MAIL_WEBHOOK_SECRET is set.")
    return Finding("ok", "mail", f"Mail goes out by {server.host}, and answers come in at /webhooks/mail.")


def _model(settings: Settings) -> Finding:
    if settings.openai_api_key is None:
        return Finding("note", "model", "No OPENAI_API_KEY: the offline planner answers. It works without a key or network.")
    where = settings.openai_base_url or "OpenAI"
    return Finding("ok", "model", f"{settings.openai_model} at {where}; the offline planner takes over where it fails")


def _payments(settings: Settings) -> Iterator[Finding]:
    if settings.stripe_secret_key is None:
        yield Finding("note", "payments", "No STRIPE_SECRET_KEY: the payment sandbox takes test cards. No real money moves.")
        return
    key = settings.stripe_secret_key.get_secret_value()
    live = key.startswith(("sk_live_", "rk_live_"))
    yield Finding("ok", "payments", "Stripe, LIVE money" if live else "Stripe in test mode")
    if settings.stripe_webhook_secret is None:
        yield Finding("note", "webhooks", "No STRIPE_WEBHOOK_SECRET: payments are still found by fetching, within about 20 seconds.")


def _address(settings: Settings) -> Iterator[Finding]:
    host = urlsplit(settings.base_url).hostname or ""
    yield Finding("ok", "address", settings.base_url)
    if host in ("127.0.0.1", "localhost", "::1"):
        yield Finding("note", "links", "Links lead to this machine only and will not open on a phone. Set DOMAIN_URL to a public address.")
    elif not settings.base_url.startswith("https://"):
        yield Finding("problem", "links", "DOMAIN_URL is not https: phones and messengers refuse such links.")


def _telegram(settings: Settings) -> Iterator[Finding]:
    """Asks Telegram itself whether it knows the token. The token is never shown."""
    if settings.telegram_bot_token is None:
        yield Finding("note", "telegram", "Off: no TELEGRAM_BOT_TOKEN. `traveloure demo` plays Telegram on this machine instead.")
        return
    import asyncio

    from channels.telegram.deliver import TelegramDoor, TelegramDown

    door = TelegramDoor(settings.telegram_bot_token.get_secret_value(), api_url=settings.telegram_api_url, timeout=8.0)

    async def name() -> str:
        try:
            return await door.username()
        finally:
            await door.close()

    try:
        known = asyncio.run(name())
    except TelegramDown as error:
        yield Finding("problem", "telegram", str(error))
        return
    webhook = settings.telegram_webhook_secret is not None
    yield Finding("ok", "telegram", f"@{known}, by {'webhook' if webhook else 'long polling; one process at a time asks'}")
    host = urlsplit(settings.base_url).hostname or ""
    if webhook and not settings.base_url.startswith("https://"):
        yield Finding(
            "problem", "telegram", "A webhook needs DOMAIN_URL with https. Set it, or leave TELEGRAM_WEBHOOK_SECRET out and poll."
        )
    elif host in ("127.0.0.1", "localhost", "::1"):
        yield Finding(
            "problem", "telegram", "Pay links in Telegram will lead to this machine. Set DOMAIN_URL to an address that opens on a phone."
        )


def _slack(settings: Settings) -> Iterator[Finding]:
    """Asks Slack itself whether it knows the token. No token is ever shown."""
    if settings.slack_bot_token is None:
        yield Finding("note", "slack", "Off: no SLACK_BOT_TOKEN. `traveloure demo` plays Slack on this machine instead.")
        return
    import asyncio

    from channels.slack.deliver import SlackDoor, SlackDown

    door = SlackDoor(settings.slack_bot_token.get_secret_value(), api_url=settings.slack_api_url, timeout=8)

    async def ask() -> str:
        try:
            await door.open()
            return door.team
        finally:
            await door.close()

    try:
        team = asyncio.run(ask())
    except SlackDown as error:
        yield Finding("problem", "slack", str(error))
        return
    signed, socket = settings.slack_signing_secret is not None, settings.slack_app_token is not None
    if not signed and not socket:
        yield Finding("problem", "slack", "Nothing can come in. Set SLACK_APP_TOKEN (a socket) or SLACK_SIGNING_SECRET (signed HTTP).")
        return
    yield Finding("ok", "slack", f"{team}, by {'signed HTTP at /webhooks/slack' if signed else 'Socket Mode'}")
    if signed and not settings.base_url.startswith("https://"):
        yield Finding(
            "problem", "slack", "Slack delivers to https only. Set DOMAIN_URL, or leave SLACK_SIGNING_SECRET out and use a socket."
        )
