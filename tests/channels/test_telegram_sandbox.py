"""The stand-in is strict where Telegram is strict: every rule of its error table, through the real client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, Update
from telegram.error import BadRequest, Conflict, Forbidden, InvalidToken, NetworkError, RetryAfter, TelegramError, TimedOut
from telegram.request import HTTPXRequest

from channels.sandbox.telegram.app import TelegramSandbox
from channels.sandbox.telegram.world import Fault, Person, World
from channels.settings import durations_as_timedelta
from tests.sandbox import open_socket, serving
from tests.telegram import TOKEN

durations_as_timedelta()


class Bench:
    def __init__(self, world: World, url: str) -> None:
        self.world, self.url = world, url
        self.bot = self.client(TOKEN)
        self.ana = world.person("Ana")

    def client(self, token: str) -> Bot:
        base = {"base_url": f"{self.url}/bot", "base_file_url": f"{self.url}/file/bot"}
        return Bot(token, **base, request=HTTPXRequest(read_timeout=0.5), get_updates_request=HTTPXRequest(read_timeout=5))


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    listener = open_socket()
    world = World(TOKEN)
    with serving(TelegramSandbox(world), listener):
        made = Bench(world, f"http://127.0.0.1:{listener.getsockname()[1]}")
        await made.bot.initialize()
        yield made
        await made.bot.shutdown()


def rows(*data: Any) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([[InlineKeyboardButton(f"b{at}", **one) for at, one in enumerate(data)]])


async def started(bench: Bench) -> Person:
    bench.world.say(bench.ana, "/start")
    return bench.ana


async def test_who_may_be_written_to(bench: Bench) -> None:
    with pytest.raises(BadRequest, match="Chat not found"):
        await bench.bot.send_message(999, "hello")
    with pytest.raises(Forbidden, match="can't initiate"):
        await bench.bot.send_message(bench.ana.id, "hello")
    await started(bench)
    assert (await bench.bot.send_message(bench.ana.id, "hello")).text == "hello"
    bench.world.block(bench.ana)
    with pytest.raises(Forbidden, match="blocked by the user"):
        await bench.bot.send_message(bench.ana.id, "hello")
    bench.world.say(bench.ana, "I am back")
    assert await bench.bot.send_message(bench.ana.id, "hello")


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        ("   ", {}, "text is empty"),
        ("x" * 4097, {}, "too long"),
        ("😀" * 2049, {}, "too long"),
        ("<x>", {"parse_mode": "HTML"}, 'unsupported start tag "x" at byte offset 0'),
        ("é</b>", {"parse_mode": "HTML"}, "unmatched end tag at byte offset 2"),
        ("<b>open", {"parse_mode": "HTML"}, 'find end tag corresponding to start tag "b"'),
        ("x", {"reply_to_message_id": 999}, "Message to be replied not found"),
        ("x", {"message_thread_id": 5}, "Message thread not found"),
        ("x", {"reply_markup": rows({"callback_data": "x" * 65})}, "Button_data_invalid"),
        ("x", {"reply_markup": rows({"url": "javascript:alert(1)"})}, "wrong http url"),
    ],
)
async def test_what_a_message_may_not_be(bench: Bench, text: str, more: dict[str, Any], message: str) -> None:
    who = await started(bench)
    with pytest.raises(BadRequest, match=message):
        await bench.bot.send_message(who.id, text, **more)
    assert bench.world.sent(who) == []


async def test_entities_count_after_parsing_and_in_utf16(bench: Bench) -> None:
    who = await started(bench)
    sent = await bench.bot.send_message(who.id, "&amp;" * 4096, parse_mode="HTML")
    assert sent.text == "&" * 4096
    sent = await bench.bot.send_message(who.id, "😀 <b>bold <i>both</i></b>", parse_mode="HTML")
    assert [(one.type, one.offset, one.length) for one in sent.entities] == [("bold", 3, 9), ("italic", 8, 4)]


async def test_edits(bench: Bench) -> None:
    who = await started(bench)
    sent = await bench.bot.send_message(who.id, "one", reply_markup=rows({"callback_data": "a"}))
    with pytest.raises(BadRequest, match="not modified"):
        await bench.bot.edit_message_text("one", who.id, sent.message_id, reply_markup=rows({"callback_data": "a"}))
    edited = await bench.bot.edit_message_text("two", who.id, sent.message_id)
    assert isinstance(edited, type(sent))
    assert edited.reply_markup is None  # an edit without buttons takes them away
    for number, message in ((999, "to edit not found"), (1, "can't be edited")):
        with pytest.raises(BadRequest, match=message):
            await bench.bot.edit_message_text("x", who.id, number)
    with pytest.raises(BadRequest, match="to delete not found"):
        await bench.bot.delete_message(who.id, 999)


async def test_presses_are_answered_once_and_carry_the_picture_that_was_seen(bench: Bench) -> None:
    who = await started(bench)
    sent = await bench.bot.send_message(who.id, "one", reply_markup=rows({"callback_data": "a"}))
    old = bench.world.picture(sent.message_id, who)
    await bench.bot.edit_message_text("two", who.id, sent.message_id)
    bench.world.press(who, sent.message_id, "b0", picture=old)
    with pytest.raises(ValueError, match="no button"):
        bench.world.press(who, sent.message_id, "b0")
    update = (await bench.bot.get_updates(timeout=1))[-1]
    assert update.callback_query is not None
    assert update.callback_query.message is not None
    assert getattr(update.callback_query.message, "text", "") == "one"
    with pytest.raises(BadRequest, match="Message_too_long"):
        await bench.bot.answer_callback_query(update.callback_query.id, "x" * 201)
    assert await bench.bot.answer_callback_query(update.callback_query.id, "done", show_alert=True)
    with pytest.raises(BadRequest, match="too old"):
        await bench.bot.answer_callback_query(update.callback_query.id)


async def test_updates_come_again_until_the_offset_moves(bench: Bench) -> None:
    await started(bench)
    first = await bench.bot.get_updates()
    assert await bench.bot.get_updates() == first
    assert await bench.bot.get_updates(offset=first[-1].update_id + 1) == ()


async def test_an_update_is_a_snapshot(bench: Bench) -> None:
    number = bench.world.say(bench.ana, "before")
    bench.world.edit(bench.ana, number, "after")
    updates = await bench.bot.get_updates()
    assert [(update.message or update.edited_message).text for update in updates] == ["before", "after"]  # type: ignore[union-attr]


async def test_the_older_of_two_pollers_is_turned_away(bench: Bench) -> None:
    older = asyncio.create_task(bench.bot.get_updates(timeout=3))
    await asyncio.sleep(0.2)
    other = bench.client(TOKEN)
    async with other:
        newer = asyncio.create_task(other.get_updates(timeout=1))
        with pytest.raises(Conflict, match="terminated by other getUpdates"):
            await older
        assert await newer == ()


async def test_polling_and_a_webhook_exclude_each_other(bench: Bench) -> None:
    with pytest.raises(BadRequest, match="unallowed characters"):
        await bench.bot.set_webhook("http://127.0.0.1:1/x", secret_token="no spaces")
    await bench.bot.set_webhook("http://127.0.0.1:1/x", secret_token="s" * 40)
    with pytest.raises(Conflict, match="webhook is active"):
        await bench.bot.get_updates()
    info = await bench.bot.get_webhook_info()
    assert (info.url, info.pending_update_count) == ("http://127.0.0.1:1/x", 0)
    await bench.bot.delete_webhook()
    assert await bench.bot.get_updates() == ()


async def test_allowed_updates_filter(bench: Bench) -> None:
    await bench.bot.get_updates(allowed_updates=["callback_query"])
    await started(bench)
    assert await bench.bot.get_updates() == ()


async def test_group_privacy(bench: Bench) -> None:
    group = bench.world.group("Trip", bench.ana)
    for text in ("hello all", "/help", "@traveloure_bot hello"):
        bench.world.say(bench.ana, text, chat=group)
    seen = [update.message.text for update in await bench.bot.get_updates() if update.message]
    assert seen == ["/help", "@traveloure_bot hello"]


async def test_topics(bench: Bench) -> None:
    plain = bench.world.group("Trip", bench.ana)
    with pytest.raises(BadRequest, match="not a forum"):
        await bench.bot.create_forum_topic(plain.id, "x")
    weak = bench.world.group("Desk", bench.ana, forum=True)
    with pytest.raises(BadRequest, match="Not enough rights"):
        await bench.bot.create_forum_topic(weak.id, "x")
    desk = bench.world.group("Desk", bench.ana, forum=True, admin=True)
    with pytest.raises(BadRequest, match="Topic_name_invalid"):
        await bench.bot.create_forum_topic(desk.id, "x" * 129)
    topic = await bench.bot.create_forum_topic(desk.id, "Ana")
    sent = await bench.bot.send_message(desk.id, "hello", message_thread_id=topic.message_thread_id)
    assert sent.is_topic_message
    await bench.bot.close_forum_topic(desk.id, topic.message_thread_id)
    with pytest.raises(BadRequest, match="Topic_not_modified"):
        await bench.bot.close_forum_topic(desk.id, topic.message_thread_id)


async def test_photos_drafts_and_files(bench: Bench) -> None:
    who = await started(bench)
    sent = await bench.bot.send_photo(who.id, b"\xff\xd8\xff bytes", caption="<b>x</b>", parse_mode="HTML")
    again = await bench.bot.send_photo(who.id, sent.photo[-1].file_id)
    assert again.photo[-1].file_id == sent.photo[-1].file_id
    with pytest.raises(BadRequest, match=r"[Ww]rong file identifier"):
        await bench.bot.send_photo(who.id, "nothing")
    with pytest.raises(BadRequest, match="caption is too long"):
        await bench.bot.send_photo(who.id, b"x", caption="x" * 1025)
    bench.world.send_photo(who, b"hers")
    update = (await bench.bot.get_updates())[-1]
    assert update.message is not None
    file = await update.message.photo[-1].get_file()
    assert bytes(await file.download_as_bytearray()) == b"hers"
    with pytest.raises(BadRequest, match=r"[Ii]nvalid file_id"):
        await bench.bot.get_file("nothing")
    assert await bench.bot.send_message_draft(who.id, 5, "thinking")
    assert bench.world.drafts[-1]["text"] == "thinking"
    with pytest.raises(BadRequest):
        await bench.bot.send_message_draft(who.id, 0, "x")


async def test_faults_and_limits(bench: Bench) -> None:
    who = await started(bench)
    bench.world.fail(
        "sendMessage",
        Fault(code=429, description="Too Many Requests: retry after 3", parameters={"retry_after": 3}),
        Fault(code=502, description="Bad Gateway"),
        Fault(seconds=1.0),
    )
    with pytest.raises(RetryAfter) as paused:
        await bench.bot.send_message(who.id, "one")
    assert paused.value.retry_after.total_seconds() == 3  # type: ignore[union-attr]
    with pytest.raises(NetworkError, match="Bad Gateway"):
        await bench.bot.send_message(who.id, "two")
    with pytest.raises(TimedOut):
        await bench.bot.send_message(who.id, "three")
    assert [one["text"] for one in bench.world.sent(who)] == ["three"]  # it arrived, and nobody knows
    bench.world.limits = True
    await bench.bot.send_message(who.id, "four")
    with pytest.raises(RetryAfter):
        await bench.bot.send_message(who.id, "five")


async def test_wrong_tokens_methods_and_modes(bench: Bench) -> None:
    stranger = bench.client("987654321:wrong-wrong-wrong-wrong")
    with pytest.raises(InvalidToken):
        await stranger.initialize()
    await stranger.shutdown()
    who = await started(bench)
    with pytest.raises(TelegramError, match="does not read MarkdownV2"):
        await bench.bot.send_message(who.id, "*x*", parse_mode="MarkdownV2")
    async with httpx.AsyncClient(base_url=bench.url, trust_env=False) as client:
        unknown = await client.post(f"/bot{TOKEN}/sendInvoice", json={})
        assert (unknown.status_code, unknown.json()) == (404, {"ok": False, "error_code": 404, "description": "Not Found"})
        wrong = await client.get("/bot1:x/getMe")
        assert wrong.status_code == 401
        form = await client.post(
            f"/bot{TOKEN}/SENDMESSAGE",
            data={"chat_id": str(who.id), "text": '{"not": "decoded"}', "reply_markup": '{"inline_keyboard": []}'},
        )
        assert form.json()["result"]["text"] == '{"not": "decoded"}'


async def test_the_librarys_own_updater_confirms_before_it_handles(bench: Bench) -> None:
    """Why it is not used: a process that dies in a handler has lost the update."""
    from telegram.ext import Application, MessageHandler, filters

    started_handling, release = asyncio.Event(), asyncio.Event()

    async def handler(_update: Update, _context: Any) -> None:
        started_handling.set()
        await release.wait()

    app = Application.builder().token(TOKEN).base_url(f"{bench.url}/bot").base_file_url(f"{bench.url}/file/bot").build()
    app.add_handler(MessageHandler(filters.ALL, handler))
    async with app:
        await app.start()
        assert app.updater is not None
        await app.updater.start_polling(poll_interval=0, timeout=1)
        bench.world.say(bench.ana, "hello")
        await asyncio.wait_for(started_handling.wait(), 5)
        for _ in range(200):
            if not bench.world.updates:
                break
            await asyncio.sleep(0.02)
        assert list(bench.world.updates) == []  # confirmed while the handler is still at it
        release.set()
        await app.updater.stop()
        await app.stop()
