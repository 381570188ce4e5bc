"""The composition root: settings in, a house out. The only file that chooses parts."""

from __future__ import annotations

import asyncio
import secrets
import socket
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from channels.bus import Bus
from channels.house import House
from channels.settings import Settings
from core.affiliates import partners
from core.db import Database
from core.engine import Engine
from core.errors import Invalid
from core.payments.gateway import Gateway
from core.rates import read_rates
from core.settings import Rules

if TYPE_CHECKING:
    from fastapi import APIRouter, FastAPI

    from bot.models import ModelChoice
    from channels.mail.compose import MailComposer
    from channels.mail.deliver import MailDoor
    from channels.messengers import Messengers
    from channels.slack.deliver import SlackDoor
    from channels.sms.compose import SmsComposer
    from channels.sms.deliver import Account, SmsDoor
    from channels.telegram.deliver import TelegramDoor
    from channels.worker import Worker

SANDBOX_PATH = "/stripe-local"
TELEGRAM_PATH = "/telegram-local"
SLACK_PATH = "/slack-local"
MAIL_PATH = "/mail-local"
SMS_PATH = "/sms-local"
log = structlog.get_logger()


def now() -> datetime:
    return datetime.now(UTC)


def build(settings: Settings, gateway: Gateway | None = None) -> House:
    """Open the database and wire the parts. The schema must be there already (`core.migrate.upgrade`)."""
    database = Database(settings.database)
    bus = Bus()
    database.listen(bus.announced)
    ids = partner_ids(settings)
    rules = replace(
        Rules(),
        public_url=settings.base_url,
        local_calendars=settings.local_calendars,
        local_hooks=settings.local_hooks,
        partner_ids=ids,
        rates=read_rates(settings.rates_file),
        model_tokens_a_day=settings.model_tokens_a_day,
        model_tokens_a_day_each=settings.model_tokens_a_day_each,
    )
    engine = Engine(db=database, gateway=gateway or choose_gateway(settings), clock=now, rules=rules)
    return House(settings, engine, bus)


def partner_ids(settings: Settings) -> Mapping[str, Mapping[str, str]]:
    """The partners' ids from AFFILIATES_FILE; none where it is not set. Raises Invalid naming what is wrong in it."""
    if settings.affiliates_file is None:
        return {}
    try:
        given = tomllib.loads(settings.affiliates_file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Invalid("AFFILIATES_FILE", f"{settings.affiliates_file} could not be read as TOML: {error}") from None
    return partners.check_ids(given)


def choose_gateway(settings: Settings) -> Gateway:
    """Stripe with a key; without one the payment sandbox, through the very same adapter."""
    from core.payments.stripe_connect import StripeGateway

    if settings.stripe_secret_key is not None:
        secret = settings.stripe_webhook_secret
        return StripeGateway(
            secret_key=settings.stripe_secret_key.get_secret_value(),
            webhook_secrets=(secret.get_secret_value(),) if secret else (),
        )
    from channels.sandbox.payments.keys import local_secrets

    local = local_secrets(settings.data_dir)
    return StripeGateway(secret_key=local.api_key, webhook_secrets=local.webhook_secret, api_base=f"{_local(settings)}{SANDBOX_PATH}")


def _local(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.port}"


def model_choice(settings: Settings) -> ModelChoice:
    """Which model the settings name; without a key none, and the offline planner talks."""
    from bot.models import ModelChoice

    key = settings.openai_api_key
    return ModelChoice(
        api_key=key.get_secret_value() if key else None,
        base_url=settings.openai_base_url,
        model=settings.openai_model,
        timeout=settings.openai_timeout,
        responses=settings.openai_responses,
        temperature=settings.openai_temperature,
    )


def traveler_agent(house: House, *, pace: float = 0.0) -> Any:
    """The graph that answers travelers: the live model with the offline planner behind it, or the planner alone."""
    from bot.agent import build_agent
    from bot.models import live_model
    from bot.offline.model import OfflineModel
    from bot.offline.planner import OfflinePlanner
    from prompts import read

    settings = house.settings
    offline = OfflineModel(planner=OfflinePlanner(house.engine), pace=pace)
    return build_agent(
        "traveler", live_model(model_choice(settings)) or offline, offline, read("traveler"), timeout=settings.openai_timeout
    )


def telegram_door(settings: Settings) -> TelegramDoor | None:
    """Off until there is a token. The library is loaded here and not before."""
    if settings.telegram_bot_token is None:
        return None
    from channels.telegram.deliver import TelegramDoor

    return TelegramDoor(settings.telegram_bot_token.get_secret_value(), api_url=settings.telegram_api_url)


def local_telegram(house: House) -> tuple[Any, TelegramDoor]:
    """The stand-in with its phone in the browser, and the real door that talks to it over HTTP."""
    from channels.sandbox.telegram.app import TelegramSandbox
    from channels.sandbox.telegram.world import World
    from channels.telegram.deliver import TelegramDoor

    settings = house.settings
    token = f"{secrets.randbelow(10**9) + 10**9}:local-{secrets.token_urlsafe(24)}"
    sandbox = TelegramSandbox(World(token), phone=True, prefix=TELEGRAM_PATH, stopping=lambda: house.bus.closed)
    return sandbox, TelegramDoor(token, api_url=f"{_local(settings)}{TELEGRAM_PATH}", link_base=f"{settings.base_url}{TELEGRAM_PATH}/")


def local_slack(house: House) -> tuple[Any, SlackDoor, str]:
    """The stand-in with its workspace in the browser, the real door that talks to it over HTTP, and the secret it signs with."""
    from channels.sandbox.slack.app import SlackSandbox
    from channels.sandbox.slack.office import Office
    from channels.sandbox.slack.world import World
    from channels.slack.app import PATH
    from channels.slack.deliver import SlackDoor

    settings, secret = house.settings, secrets.token_hex(16)

    def stopping() -> bool:
        return house.bus.closed

    world = World(bot_token=f"xoxb-local-{secrets.token_urlsafe(24)}", signing_secret=secret)
    world.url = f"{_local(settings)}{PATH}"
    routes = Office(world, prefix=SLACK_PATH, stopping=stopping).routes()
    sandbox = SlackSandbox(world, base=f"{_local(settings)}{SLACK_PATH}", routes=routes, stopping=stopping)
    link_base = f"{settings.base_url}{SLACK_PATH}/"
    return sandbox, SlackDoor(world.bot_token, api_url=f"{_local(settings)}{SLACK_PATH}", link_base=link_base), secret


def slack_door(settings: Settings) -> SlackDoor | None:
    """Off until there is a token. The libraries are loaded here and not before."""
    if settings.slack_bot_token is None:
        return None
    from channels.slack.deliver import SlackDoor

    base = settings.base_url
    return SlackDoor(
        settings.slack_bot_token.get_secret_value(),
        api_url=settings.slack_api_url,
        pictures=f"{base}/static/scenes" if base.startswith("https://") else "",
        link_base=f"{base}/connect/slack/open",
    )


def mail_sender(settings: Settings) -> Any:
    from channels.mail.render import Sender

    return Sender(settings.mail_from, settings.mail_reply_domain) if settings.mail_from else Sender(reply_domain=settings.mail_reply_domain)


def mail_door(settings: Settings) -> MailDoor | None:
    """Off until there is a server; then what is due is caught. Raises Invalid for an address that is none."""
    if settings.smtp_url is None:
        return None
    from channels.mail.deliver import MailDoor, Server

    try:
        server = Server.read(settings.smtp_url.get_secret_value())
    except ValueError as error:
        raise Invalid("SMTP_URL", f"SMTP_URL cannot be used: {error}.") from None
    return MailDoor(server, mail_sender(settings))


def local_mail(house: House) -> tuple[Any, MailDoor, Any]:
    """The stand-in with its page, the real door that hands letters to it over SMTP, and what has to run beside them."""
    from channels.mail.deliver import MailDoor, Server
    from channels.sandbox.mail.app import MailSandbox
    from channels.sandbox.mail.post import Post

    listener = socket.create_server(("127.0.0.1", 0))
    post = Post(inbound=f"{_local(house.settings)}/webhooks/mail", secret=secrets.token_urlsafe(24))
    door = MailDoor(Server("127.0.0.1", listener.getsockname()[1], tls="none"), mail_sender(house.settings))
    return MailSandbox(post, prefix=MAIL_PATH), door, beside(lambda: post.run(listener), listener.close)


def mail_composer(house: House) -> MailComposer:
    from channels.compose import Composer
    from channels.mail.compose import MailComposer

    return MailComposer(house.settings.base_url, Composer(house.settings.base_url))


def messengers(house: House, doors: Sequence[Any]) -> Messengers:
    from channels.messengers import Messengers

    there = {one.channel for one in doors}
    if not there & {"mail", "sms"}:
        return Messengers(house, doors)
    from channels.mail.address import lane_of

    composers: dict[str, Any] = {"mail": mail_composer(house), "sms": sms_composer(house)}
    return Messengers(house, doors, composers=composers, lanes={"mail": lane_of} if "mail" in there else {})


def sms_account(settings: Settings) -> Account | None:
    """Off until there is a token."""
    if settings.twilio_token is None:
        return None
    from channels.sms.deliver import PUBLIC_API, Account

    url = (settings.twilio_api_url or PUBLIC_API).rstrip("/")
    return Account(settings.twilio_sid, settings.twilio_token.get_secret_value(), settings.twilio_from, url)


def sms_door(settings: Settings) -> SmsDoor | None:
    from channels.sms.deliver import SmsDoor

    account = sms_account(settings)
    return None if account is None else SmsDoor(account, settings.base_url)


def sms_composer(house: House) -> SmsComposer:
    from channels.compose import Composer
    from channels.sms.compose import SmsComposer

    return SmsComposer(Composer(house.settings.base_url))


def _sms(house: House, routers: list[APIRouter], mounts: list[tuple[str, Any]], *, local: bool) -> list[Any]:
    """The door for text messages: Twilio, or on the fresh machine its stand-in with a page that plays the phones."""
    from channels.sms.deliver import Account, SmsDoor
    from channels.sms.receive import PATH
    from channels.sms.receive import router as incoming

    settings = house.settings
    account, door = sms_account(settings), sms_door(settings)
    if account is None and local:
        from channels.sandbox.sms.app import Network, SmsSandbox

        base = f"{_local(settings)}{SMS_PATH}"
        account = Account(f"AC{secrets.token_hex(16)}", secrets.token_hex(16), "+351300500100", base)
        network = Network(account.sid, account.token, account.sender, inbound=f"{settings.base_url}{PATH}")
        mounts.append((SMS_PATH, SmsSandbox(network, prefix=SMS_PATH)))
        door = SmsDoor(account, settings.base_url, local=f"{settings.base_url}{SMS_PATH}/")
    if account is not None:
        routers.append(incoming(house, sms_composer(house), account))
    return [door] if door is not None else []


def worker(house: House, *, pace: float = 0.0, doors: Sequence[Any] = ()) -> Worker:
    from channels.worker import Worker

    return Worker(house.engine, house.bus, traveler_agent(house, pace=pace), messengers(house, doors))


@contextmanager
def joined(house: House) -> Iterator[None]:
    """While the block runs, this process and the others of the house wake each other: through Redis where there is one, else
    through PostgreSQL. On SQLite one process does everything."""
    from channels.relay import PostgresWire, RedisWire, Relay, Wire

    database, redis_url = house.engine.db, house.settings.redis_url
    if not redis_url and database.dialect != "postgresql":
        yield
        return
    wire: Wire = RedisWire(redis_url) if redis_url else PostgresWire(database.url)
    relay = Relay(house.bus, wire)
    relay.start()
    try:
        yield
    finally:
        relay.close()


async def work(house: House) -> None:
    """A process that only works: the jobs and, where they are on without a webhook, Telegram's updates and Slack's events."""
    door, slack = telegram_door(house.settings), slack_door(house.settings)
    doors: list[Any] = [one for one in (door, slack, mail_door(house.settings), sms_door(house.settings)) if one is not None]
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(worker(house, doors=doors).run())
            if door is not None and house.settings.telegram_webhook_secret is None:
                from channels.telegram.poll import Poller

                group.create_task(Poller(house.engine, door).run())
            if slack is not None and house.settings.slack_app_token is not None and house.settings.slack_signing_secret is None:
                from channels.slack.app import SlackApp

                group.create_task(SlackApp(house, slack).socket(house.settings.slack_app_token.get_secret_value()))
    finally:
        for one in doors:
            await one.close()


def web(house: House, *, works: bool = True, pace: float = 0.012, phone: bool = False) -> FastAPI:
    """The whole web door. With `works` it also does the jobs; without a Stripe key it also is the payment sandbox.

    `phone`: without a Telegram token, its stand-in with a page that plays the people.
    """
    from channels.web.app import create_app
    from channels.web.connect import router as connect

    mounts: list[tuple[str, Any]] = []
    lifespans: list[Any] = []
    routers: list[APIRouter] = []
    settings = house.settings
    door = telegram_door(settings)
    if door is None and phone:
        local, door = local_telegram(house)
        mounts.append((TELEGRAM_PATH, local))
    slack, played = slack_door(settings), None
    if slack is None and phone:
        played, slack, signing_secret = local_slack(house)
        mounts.append((SLACK_PATH, played))
    chats: list[Any] = [one for one in (door, slack) if one is not None]
    phones = _sms(house, routers, mounts, local=phone)
    lifespans += [closing(one.close) for one in phones]
    routers.append(connect(house, {one.channel: one.link for one in (*chats, *phones)}))
    doors = [*chats, *phones, *_mail(house, routers, lifespans, mounts, local=phone)]
    if slack is not None:
        lifespans.append(closing(slack.close))
        if played is not None:
            from channels.slack.app import SlackApp

            routers.append(SlackApp(house, slack, signing_secret).router())
            lifespans.append(beside(played.run))
        else:
            _listen(house, slack, routers, lifespans, works=works)
    if door is not None:
        lifespans.append(closing(door.close))
        secret = settings.telegram_webhook_secret
        if secret is not None and not phone:
            from channels.telegram.webhook import PATH, announce
            from channels.telegram.webhook import router as webhook

            routers.append(webhook(house, door, secret.get_secret_value()))
            lifespans.append(beside(announce(door, f"{settings.base_url}{PATH}", secret.get_secret_value())))
        elif works:
            from channels.telegram.poll import Poller

            lifespans.append(beside(Poller(house.engine, door).run))
    if settings.sandbox_payments:
        from channels.sandbox.payments.app import create_sandbox
        from channels.sandbox.payments.keys import local_secrets

        sandbox = create_sandbox(
            settings.data_dir / "payment-sandbox.db",
            secrets=local_secrets(settings.data_dir),
            public_url=f"{settings.base_url}{SANDBOX_PATH}",
            webhook_urls=[f"{_local(settings)}/webhooks/stripe"],
            clock=now,
            host=settings.host,
            allow_public=bool(settings.domain_url),
        )
        mounts.append((SANDBOX_PATH, sandbox))
        lifespans.append(beside(sandbox.run, sandbox.close))
    if works:
        lifespans.append(beside(worker(house, pace=pace, doors=doors).run))
    return create_app(house, lifespans=lifespans, mounts=mounts, routers=routers, onward=tuple(one.channel for one in chats))


def _mail(house: House, routers: list[APIRouter], lifespans: list[Any], mounts: list[tuple[str, Any]], *, local: bool) -> list[Any]:
    """The door for letters: a server of one's own, or on the fresh machine the stand-in; and the way in for answers."""
    from channels.mail.receive import router as incoming

    door = mail_door(house.settings)
    secret = house.settings.mail_webhook_secret
    given = secret.get_secret_value() if secret is not None else ""
    if door is None and local:
        sandbox, door, running = local_mail(house)
        mounts.append((MAIL_PATH, sandbox))
        lifespans.append(running)
        given = sandbox.post.secret
    if given:
        routers.append(incoming(house, mail_composer(house), given))
    return [door] if door is not None else []


def _listen(house: House, door: SlackDoor, routers: list[APIRouter], lifespans: list[Any], *, works: bool) -> None:
    """Signed HTTP where there is a secret for it, else a socket."""
    from channels.slack.app import SlackApp

    settings = house.settings
    secret, token = settings.slack_signing_secret, settings.slack_app_token
    if secret is not None:
        routers.append(SlackApp(house, door, secret.get_secret_value()).router())
    elif token is not None and works:
        socket = SlackApp(house, door)
        lifespans.append(beside(lambda: socket.socket(token.get_secret_value())))


def closing(close: Callable[[], Awaitable[None]]) -> Any:
    """A lifespan that ends something after everything that came after it has ended."""

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await close()

    return lifespan


def beside(run: Callable[[], Awaitable[None]], close: Callable[[], None] = lambda: None) -> Any:
    """A lifespan that keeps `run` going beside the app: one that fails is logged and started again."""

    async def for_ever() -> None:
        while True:
            try:
                await run()
                return
            except Exception:
                log.exception("background_failed")
                await asyncio.sleep(1.0)

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        task = asyncio.create_task(for_ever())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            close()

    return lifespan
