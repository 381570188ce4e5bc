"""The command line: traveloure demo | serve | worker | chat | mcp | migrate | catalog | backup | restore | verify-slots | doctor."""

from __future__ import annotations

import argparse
import shutil
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from channels import logs
from channels.settings import Settings
from core.errors import CoreError, Refused

if TYPE_CHECKING:
    from channels.house import House
    from core.catalogue_files.report import Report

TRY = (
    "Something fun in Lisbon next Saturday for two",
    "A hotel in Rome from 12 to 15 March under 150 a night",
    "I want to talk to a person",
)


class Stop(Exception):
    """Ends the program with one sentence that says what to do."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = _parser()
    given = parser.parse_args(argv)
    logs.set_up()
    try:
        overrides = {name: getattr(given, name) for name in ("port", "host") if getattr(given, name, None) is not None}
        settings = Settings(**overrides)
        logs.set_up(json_lines=settings.log_json)
        command: Callable[[argparse.Namespace, Settings], int] = given.command
        return command(given, settings)
    except Stop as stop:
        print(stop, file=sys.stderr)
        return 1
    except CoreError as error:
        print(error.message, file=sys.stderr)
        return 1
    except ValidationError as error:
        for fault in error.errors():
            print(f"The setting {'.'.join(str(part) for part in fault['loc'])} is wrong: {fault['msg']}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print()
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="traveloure", description="An open conversational booking agent.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="everything on this machine: database, demo marketplace, chat, consoles, payment sandbox")
    demo.add_argument("--port", type=int, help="default 8000, or PORT")
    demo.add_argument("--reset", action="store_true", help="throw the demo's data away first")
    demo.set_defaults(command=_demo)

    serve = commands.add_parser("serve", help="the web door (chat, consoles, REST, webhooks) and, unless told otherwise, the jobs")
    serve.add_argument("--port", type=int)
    serve.add_argument("--host")
    serve.add_argument("--no-worker", action="store_true", help="leave the jobs to `traveloure worker` processes")
    serve.set_defaults(command=_serve)

    worker = commands.add_parser("worker", help="only the jobs: turns, payments, deadlines, mail")
    worker.set_defaults(command=_worker)

    chat = commands.add_parser("chat", help="the same conversation in this terminal")
    chat.add_argument("--new", action="store_true", help="start a new conversation instead of going on with the last one")
    chat.set_defaults(command=_chat)

    migrate = commands.add_parser("migrate", help="bring the database to the newest schema")
    migrate.set_defaults(command=_migrate)

    catalog = commands.add_parser("catalog", help="check, import and export catalogue files (docs/catalogue.md)")
    actions = catalog.add_subparsers(required=True, metavar="ACTION")
    for name, said in (("check", "say what is wrong, change nothing"), ("import", "take the files in, all or nothing")):
        action = actions.add_parser(name, help=said)
        action.add_argument("paths", nargs="+", type=Path, metavar="PATH", help=".jsonl or .csv files, or folders of them")
        action.add_argument("--source", help="the name of this set of files (default: the first path's)")
        action.set_defaults(command=_catalog_check if name == "check" else _catalog_import)
    export = actions.add_parser("export", help="write what is on sale")
    export.add_argument("path", type=Path, metavar="PATH", help="a .jsonl file, or a folder for CSV")
    export.add_argument("--format", choices=("jsonl", "csv"), default="jsonl")
    export.set_defaults(command=_catalog_export)

    token = commands.add_parser("token", help="a token for programs that use the REST door (/api/docs) as one account")
    token.add_argument("account", metavar="ACCOUNT", help="an account's id, or the e-mail address it signed up with")
    token.add_argument("--new", action="store_true", help="make a traveler's account for this e-mail address first")
    token.set_defaults(command=_token)

    trade = commands.add_parser("reseller", help="who of the trade may sell our places over OCTO (docs/octo.md)")
    deeds = trade.add_subparsers(required=True, metavar="ACTION")
    named = deeds.add_parser("give", help="make an account a reseller and print its token, shown only once")
    named.add_argument("account", metavar="ACCOUNT", help="an account's id, or its e-mail address")
    named.add_argument("--name", default="", help="what providers read, e.g. the agency's name")
    named.add_argument("--new", action="store_true", help="make an account for this e-mail address first")
    named.set_defaults(command=_reseller_give)
    ended = deeds.add_parser("revoke", help="from now on none of its tokens opens anything")
    ended.add_argument("account", metavar="ACCOUNT")
    ended.set_defaults(command=_reseller_revoke)
    owing = deeds.add_parser("invoice", help="what it sold between two travel days, as CSV")
    owing.add_argument("account", metavar="ACCOUNT")
    owing.add_argument("first", metavar="FROM", type=date.fromisoformat, help="the first travel day, e.g. 2026-11-01")
    owing.add_argument("last", metavar="TO", type=date.fromisoformat, help="the last, included")
    owing.set_defaults(command=_reseller_invoice)

    sold = commands.add_parser("affiliates", help="what partners sold through our links (docs/affiliates.md)")
    doings = sold.add_subparsers(required=True, metavar="ACTION")
    taken = doings.add_parser("import", help="take a partner's CSV in, all or nothing; again is harmless")
    taken.add_argument("partner", metavar="PARTNER")
    taken.add_argument("path", type=Path, metavar="FILE")
    taken.set_defaults(command=_affiliates_import)
    summed = doings.add_parser("report", help="commissions per state as CSV")
    summed.add_argument("--by", choices=("partner", "campaign", "conversation"), default="partner")
    summed.set_defaults(command=_affiliates_report)

    out = commands.add_parser("webhook", help="tell another program what happens (docs/webhooks.md)")
    wishes_out = out.add_subparsers(required=True, metavar="ACTION")
    new = wishes_out.add_parser("add", help="subscribe an account, or a provider it works for; prints the secret, shown only once")
    new.add_argument("account", metavar="ACCOUNT", help="an account's id, or its e-mail address")
    new.add_argument("url", metavar="URL", help="https://...")
    new.add_argument("--provider", default="", help="a provider's id; without it, the account's own bookings")
    new.add_argument("--event", action="append", default=[], help="only these (default: all); may be given again")
    new.set_defaults(command=_webhook_add)
    hooked = wishes_out.add_parser("list", help="the webhooks of an account, and why one is off")
    hooked.add_argument("account", metavar="ACCOUNT")
    hooked.set_defaults(command=_webhook_list)
    for name, said in (("log", "what was sent and what came of it"), ("enable", "switch on again"), ("remove", "nothing more goes there")):
        one = wishes_out.add_parser(name, help=said)
        one.add_argument("hook", metavar="ID", help="as `traveloure webhook list` shows it")
        one.set_defaults(command={"log": _webhook_log, "enable": _webhook_enable, "remove": _webhook_remove}[name])
    again = wishes_out.add_parser("replay", help="send a message again, under the same id")
    again.add_argument("hook", metavar="ID")
    again.add_argument("delivery", metavar="MESSAGE", help="as `traveloure webhook log` shows it")
    again.set_defaults(command=_webhook_replay)

    programs = commands.add_parser("mcp", help="serve the tools to another assistant over standard input and output (docs/mcp.md)")
    programs.set_defaults(command=_mcp)
    about = programs.add_subparsers(metavar="ACTION")
    give = about.add_parser("give", help="a token with which a program acts for one account in one role, shown only once")
    give.add_argument("account", metavar="ACCOUNT", help="an account's id, or its e-mail address")
    give.add_argument("--role", default="traveler", choices=("traveler", "provider"))
    give.add_argument("--label", default="", help="what the program is, for the list")
    give.add_argument("--new", action="store_true", help="make a traveler's account for this e-mail address first")
    give.set_defaults(command=_mcp_give)
    shown = about.add_parser("list", help="the programs of an account")
    shown.add_argument("account", metavar="ACCOUNT")
    shown.set_defaults(command=_mcp_list)
    revoke = about.add_parser("revoke", help="from now on a token opens nothing")
    revoke.add_argument("program", metavar="ID", help="as `traveloure mcp list` shows it")
    revoke.set_defaults(command=_mcp_revoke)

    evaluate = commands.add_parser("eval", help="the written conversations against the configured model (from a checkout; docs/evals.md)")
    evaluate.add_argument("names", nargs="*", metavar="NAME", help="only these (default: all in tests/evals/scenarios)")
    evaluate.add_argument("--tries", type=int, default=1, help="how often each has to hold (default 1)")
    evaluate.add_argument(
        "--most", type=Decimal, default=Decimal(2), help="stop once so much is spent, at MODEL_PRICE_IN and MODEL_PRICE_OUT (default 2)"
    )
    evaluate.add_argument("--out", type=Path, default=Path("var/eval"), help="where the report and the transcripts of failures go")
    evaluate.set_defaults(command=_eval)

    usage = commands.add_parser("usage", help="the live model's tokens and cost, by conversation")
    usage.add_argument("--days", type=int, default=30, help="how far back (default 30)")
    usage.set_defaults(command=_usage)

    reconcile = commands.add_parser("reconcile", help="compare the ledger, our rows and the payment service; say every difference")
    reconcile.add_argument("--days", type=int, default=30, help="how far back (default 30)")
    reconcile.set_defaults(command=_reconcile)

    privacy = commands.add_parser("privacy", help="what is kept about a person: print all of it, or forget it")
    wishes = privacy.add_subparsers(required=True, metavar="ACTION")
    for name, said in (("export", "print everything as JSON"), ("erase", "forget the person; bookings and books stay, without a name")):
        wish = wishes.add_parser(name, help=said)
        wish.add_argument("account", metavar="ACCOUNT", help="an account's id, or its e-mail address")
        wish.set_defaults(command=_privacy_export if name == "export" else _privacy_erase)

    verify = commands.add_parser("verify-slots", help="compare the places counted in every slot with its holds")
    verify.add_argument("--repair", action="store_true", help="set the counters that differ")
    verify.set_defaults(command=_verify_slots)

    backup = commands.add_parser("backup", help="copy database and files into a new folder, while the house runs")
    backup.add_argument("target", type=Path, metavar="FOLDER", help="where backups are kept; each gets a folder of its own there")
    backup.set_defaults(command=_backup)
    restore = commands.add_parser("restore", help="bring a backup back into an empty database, and check its books")
    restore.add_argument("folder", type=Path, metavar="BACKUP", help="the folder that `traveloure backup` has named")
    restore.set_defaults(command=_restore)

    doctor = commands.add_parser("doctor", help="what is configured, what falls back, what needs doing")
    doctor.set_defaults(command=_doctor)
    return parser


# ── running ───────────────────────────────────────────────────────────────────────────────────────


def _demo(given: argparse.Namespace, settings: Settings) -> int:
    from channels import demo

    _need_port(settings)
    if settings.host == "127.0.0.1":
        settings.local_hooks = True  # only for who sits at this machine: a webhook may lead to it
    if given.reset:
        _reset(settings)
    with closing(_ready(settings)) as house:
        if demo.is_empty(house.engine.db):
            print("Loading the demo marketplace ...")
            _report(demo.load_marketplace(house.engine, _progress), "Loaded")
        demo.ensure_people(house.engine)
        base = settings.base_url
        print(f"\nTraveloure is starting on {base}\n")
        print(f"  Traveler's page    {base}/")
        for who, link in demo.sign_in_links(house.engine, base):
            print(f"  {who:<28} {link}")
        if settings.telegram_bot_token is None:
            print(f"  {'Telegram, played here':<28} {base}/telegram-local/")
        if settings.slack_bot_token is None:
            print(f"  {'Slack, played here':<28} {base}/slack-local/")
        if settings.smtp_url is None:
            print(f"  {'Mail, read and answered here':<28} {base}/mail-local/")
        if settings.twilio_token is None:
            print(f"  {'Text messages, played here':<28} {base}/sms-local/")
        print("\nEach sign-in link works once; start again for new ones. Try saying:")
        for line in TRY:
            print(f"  \u201c{line}\u201d")
        print("\nPayments are a sandbox: no real money moves. Stop with Ctrl+C; the data stays in", settings.data_dir, flush=True)
        return _run_web(house, works=True, phone=True)


def _serve(given: argparse.Namespace, settings: Settings) -> int:
    _need_port(settings)
    with closing(_ready(settings)) as house:
        print(f"Serving on http://{settings.host}:{settings.port} (public address {settings.base_url})", flush=True)
        from channels.main import joined

        with joined(house):
            return _run_web(house, works=not given.no_worker)


def _run_web(house: House, *, works: bool, phone: bool = False) -> int:
    from channels.main import web
    from channels.web.serve import server

    server(house, web(house, works=works, phone=phone)).run()
    return 0


def _worker(_given: argparse.Namespace, settings: Settings) -> int:
    import asyncio

    from channels.main import joined, work

    with closing(_ready(settings)) as house, joined(house):
        print("Working. Stop with Ctrl+C.", flush=True)
        asyncio.run(work(house))
        return 0


def _chat(given: argparse.Namespace, settings: Settings) -> int:
    from channels import demo
    from channels.terminal import chat

    with closing(_ready(settings)) as house:
        if demo.is_empty(house.engine.db):
            print("Loading the demo marketplace ...")
            _report(demo.load_marketplace(house.engine, _progress), "Loaded")
            demo.ensure_people(house.engine)
        return chat(house, serve=not _port_taken(settings), new=given.new)


def _migrate(_given: argparse.Namespace, settings: Settings) -> int:
    from core.db import Database
    from core.migrate import upgrade

    database = Database(settings.database)
    before, after = upgrade(database)
    print(f"The schema is at {after}." if before == after else f"Migrated from {before or 'nothing'} to {after}.")
    database.close()
    return 0


def _doctor(_given: argparse.Namespace, settings: Settings) -> int:
    from channels.doctor import examine

    marks = {"ok": "ok     ", "note": "note   ", "problem": "PROBLEM"}
    found = list(examine(settings))
    for one in found:
        print(f"{marks[one.level]}  {one.what:<10} {one.says}")
    return 1 if any(one.level == "problem" for one in found) else 0


def _token(given: argparse.Namespace, settings: Settings) -> int:
    from core import people

    with closing(_ready(settings)) as house:
        account = people.sign_up(house.engine, given.account) if given.new else people.find_account(house.engine, given.account)
        secret = people.api_token(house.engine, account)
        print(f"For {account}, good for a year, shown only now:", file=sys.stderr)
        print(secret)
        return 0


def _reseller_give(given: argparse.Namespace, settings: Settings) -> int:
    from core import people, resellers

    with closing(_ready(settings)) as house:
        account = people.sign_up(house.engine, given.account) if given.new else people.find_account(house.engine, given.account)
        token = resellers.give(house.engine, account, name=given.name)
        print(f"For the reseller {account}, good for a year, shown only now:", file=sys.stderr)
        print(token)
        return 0


def _reseller_revoke(given: argparse.Namespace, settings: Settings) -> int:
    from core import people, resellers

    with closing(_ready(settings)) as house:
        ended = resellers.take_back(house.engine, people.find_account(house.engine, given.account))
        print(f"{ended} tokens open nothing any more.", file=sys.stderr)
        return 0


def _reseller_invoice(given: argparse.Namespace, settings: Settings) -> int:
    from core import people, resellers
    from core.payments.statements import in_csv

    with closing(_ready(settings)) as house:
        account = people.find_account(house.engine, given.account)
        with house.engine.db.read() as tx:
            rows = resellers.to_invoice(tx, account, given.first, given.last)
    print(in_csv(resellers.INVOICE, rows, money=resellers.MONEY), end="")
    return 0


def _affiliates_import(given: argparse.Namespace, settings: Settings) -> int:
    from core.affiliates import conversions

    try:
        text = given.path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Stop(f"{given.path} cannot be read as text: {error}.") from error
    with closing(_ready(settings)) as house:
        counts = conversions.take_file(house.engine, given.partner, text)
    print(", ".join(f"{count} {name}" for name, count in counts.items()), file=sys.stderr)
    return 0


def _affiliates_report(given: argparse.Namespace, settings: Settings) -> int:
    from core.affiliates import conversions
    from core.payments.statements import in_csv

    with closing(_ready(settings)) as house, house.engine.db.read() as tx:
        rows = conversions.report(tx, given.by)
    print(in_csv(conversions.REPORT, rows, money=conversions.STATES), end="")
    return 0


def _webhook_add(given: argparse.Namespace, settings: Settings) -> int:
    from core import hooks, people
    from core.engine import Actor

    with closing(_ready(settings)) as house:
        account = people.find_account(house.engine, given.account)
        with house.engine.db.read() as tx:
            works_for = people.providers_of(tx, account)
        actor = Actor(account, role="provider", channel="cli", provider_ids=works_for)
        made = hooks.add(house.engine, actor, given.url, given.event, provider_id=given.provider)
        print(f"Webhook {made['hook_id']}. The secret, shown only now:", file=sys.stderr)
        print(made["secret"])
        return 0


def _webhook_list(given: argparse.Namespace, settings: Settings) -> int:
    from core import hooks, people
    from core.engine import Actor

    with closing(_ready(settings)) as house:
        account = people.find_account(house.engine, given.account)
        with house.engine.db.read() as tx:
            found = hooks.listed(tx, Actor(account))
    for one in found:
        off = f"  off: {one['disabled_why']}" if one["disabled_at"] else ""
        print(f"{one['hook_id']}  {one['provider'] or 'own bookings'}  {one['url']}  {', '.join(one['events'])}{off}")
    return 0


def _webhook_log(given: argparse.Namespace, settings: Settings) -> int:
    from core import hooks
    from core.engine import Actor

    with closing(_ready(settings)) as house:
        for one in hooks.deliveries(house.engine, Actor("", role="operator", channel="cli"), given.hook):
            came = one["error"] or one["status"] or ""
            print(f"{one['delivery_id']}  {one['created_at'][:19]}  {one['event']:<18} {one['state']:<7} {one['attempts']} tries  {came}")
    return 0


def _webhook_enable(given: argparse.Namespace, settings: Settings) -> int:
    from core import hooks
    from core.engine import Actor

    with closing(_ready(settings)) as house:
        hooks.enable(house.engine, Actor("", role="operator", channel="cli"), given.hook)
    return 0


def _webhook_remove(given: argparse.Namespace, settings: Settings) -> int:
    from core import hooks
    from core.engine import Actor

    with closing(_ready(settings)) as house:
        hooks.remove(house.engine, Actor("", role="operator", channel="cli"), given.hook)
    return 0


def _webhook_replay(given: argparse.Namespace, settings: Settings) -> int:
    from core import hooks
    from core.engine import Actor

    with closing(_ready(settings)) as house:
        hooks.replay(house.engine, Actor("", role="operator", channel="cli"), given.hook, given.delivery)
    return 0


def _mcp(_given: argparse.Namespace, settings: Settings) -> int:
    import asyncio
    from contextlib import redirect_stdout

    from channels.mcp.stdio import serve

    if settings.mcp_token is None:
        raise Stop("Set TRAVELOURE_MCP_TOKEN to a token; `traveloure mcp give ACCOUNT` makes one.")
    with redirect_stdout(sys.stderr):  # standard output speaks the protocol and nothing else
        house = _ready(settings)
    with closing(house):
        asyncio.run(serve(house, settings.mcp_token.get_secret_value()))
    return 0


def _mcp_give(given: argparse.Namespace, settings: Settings) -> int:
    from core import people, programs
    from core.engine import Actor

    with closing(_ready(settings)) as house:
        account = people.sign_up(house.engine, given.account) if given.new else people.find_account(house.engine, given.account)
        operator = Actor("", role="operator", channel="cli")
        program, token = programs.give(house.engine, operator, account, role=given.role, label=given.label)
        print(f"Program {program} acts for {account} as {given.role}, for 180 days. The token, shown only now:", file=sys.stderr)
        print(token)
        return 0


def _mcp_list(given: argparse.Namespace, settings: Settings) -> int:
    from core import people, programs

    with closing(_ready(settings)) as house:
        account = people.find_account(house.engine, given.account)
        with house.engine.db.read() as tx:
            found = programs.listed(tx, account)
    for one in found:
        print(f"{one['id']}  {one['role']:<9} {one['since']:%Y-%m-%d} to {one['until']:%Y-%m-%d}  {one['label']}")
    print(f"{len(found)} programs act for {account}.", file=sys.stderr)
    return 0


def _mcp_revoke(given: argparse.Namespace, settings: Settings) -> int:
    from core import programs
    from core.engine import Actor

    with closing(_ready(settings)) as house:
        account = programs.take_back(house.engine, Actor("", role="operator", channel="cli"), given.program)
        print(f"The token of {given.program} opens nothing any more ({account}).")
        return 0


def _eval(given: argparse.Namespace, settings: Settings) -> int:
    """0 where every conversation held, 1 where one failed or the cap was reached before the last."""
    import importlib
    import json

    from channels.main import model_choice

    if given.tries < 1:
        raise Stop("--tries has to be at least 1.")
    if not (Path.cwd() / "tests" / "evals" / "scenarios").is_dir():
        raise Stop("Run this in a checkout: the conversations are in tests/evals/scenarios.")
    sys.path.insert(0, str(Path.cwd()))
    run = importlib.import_module("tests.evals.run")
    choice = model_choice(settings)
    prices = settings.model_price_in, settings.model_price_out
    if choice.api_key is not None and not any(prices):
        raise Stop("Set MODEL_PRICE_IN and MODEL_PRICE_OUT (for a million tokens), so that the cost can be capped.")
    print(f"Against {choice.model if choice.api_key else 'the offline planner'}.", file=sys.stderr)
    try:
        report = run.run(
            choice, names=given.names, tries=given.tries, most=given.most, prices=prices, told=lambda line: print(line, file=sys.stderr)
        )
    except FileNotFoundError as error:
        raise Stop(f"Nobody wrote that conversation: {error.filename}") from None
    run.write(report, given.out)
    print(json.dumps(report.as_json()))
    return 0 if report.passed == report.asked else 1


def _usage(given: argparse.Namespace, settings: Settings) -> int:
    from datetime import timedelta

    from core import usage

    if given.days < 1:
        raise Stop("--days has to be at least 1.")
    with closing(_ready(settings)) as house:
        since = house.engine.clock() - timedelta(days=given.days)
        with house.engine.db.read() as tx:
            used, rows = usage.tokens(tx, since), usage.by_conversation(tx, since)
    for conversation_id, into, out in rows:
        print(
            f"{conversation_id}  {into:>10,} in  {out:>9,} out  {usage.cost((into, out), settings.model_price_in, settings.model_price_out):.4f}"
        )
    spent = usage.cost(used, settings.model_price_in, settings.model_price_out)
    print(f"{used[0]:,} input and {used[1]:,} output tokens in {given.days} days: {spent:.4f} at the configured prices.", file=sys.stderr)
    return 0


def _reconcile(given: argparse.Namespace, settings: Settings) -> int:
    """0 where everything agrees, 1 where something differs; the differences go to standard output."""
    from datetime import timedelta

    from core.payments import reconcile

    if given.days < 1:
        raise Stop("--days has to be at least 1.")
    with closing(_ready(settings)) as house:
        if settings.sandbox_payments:
            print("The payment service is the sandbox; it has to be running (traveloure demo).", file=sys.stderr)
        found = reconcile.differences(house.engine, house.engine.clock() - timedelta(days=given.days))
    for sentence in found["differences"]:
        print(sentence)
    print(f"{found['movements']} movements of the last {given.days} days, {len(found['differences'])} differences.", file=sys.stderr)
    return 1 if found["differences"] else 0


def _privacy_export(given: argparse.Namespace, settings: Settings) -> int:
    import json

    from core import people, privacy
    from core.engine import Actor

    with closing(_ready(settings)) as house:
        account = people.find_account(house.engine, given.account)
        found = privacy.export(house.engine, Actor("", role="operator", channel="cli"), account)
        print(json.dumps(found, indent=2, ensure_ascii=False))
    return 0


def _privacy_erase(given: argparse.Namespace, settings: Settings) -> int:
    from core import people, privacy
    from core.engine import Actor

    with closing(_ready(settings)) as house:
        account = people.find_account(house.engine, given.account)
        done = privacy.erase(house.engine, Actor("", role="operator", channel="cli"), account)
        with house.engine.db.read() as tx:
            talks = people.conversations_of(tx, account)
    for conversation_id in talks:
        shutil.rmtree(settings.data_dir / "uploads" / conversation_id, ignore_errors=True)
    print(f"Forgotten: {account} ({sum(done.values())} rows changed).")
    return 0


def _ready(settings: Settings) -> House:
    """A house over a migrated database."""
    from channels.main import build
    from core.migrate import is_current, upgrade

    house = build(settings)
    if not is_current(house.engine.db):
        print("Preparing the database ...")
        upgrade(house.engine.db)
    return house


def _reset(settings: Settings) -> None:
    if settings.database_url:
        raise Stop("--reset only empties the demo's own data folder; DATABASE_URL is set, so drop that database yourself.")
    if settings.data_dir.exists():
        shutil.rmtree(settings.data_dir)
        print(f"Removed {settings.data_dir}.")


def _port_taken(settings: Settings) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError:
            return True
    return False


def _need_port(settings: Settings) -> None:
    if _port_taken(settings):
        raise Stop(f"Port {settings.port} is in use. Stop what runs there, or choose another: make run PORT={settings.port + 1}")


# ── the catalogue ─────────────────────────────────────────────────────────────────────────────────


def _catalog_check(given: argparse.Namespace, settings: Settings) -> int:
    from core.catalogue_files import check
    from core.db import Database
    from core.migrate import is_current

    database = Database(settings.database)
    try:
        known = database if is_current(database) else None  # files may refer to what is loaded, where there is anything
        return _report(check(given.paths, known, source=given.source, progress=_progress), "Nothing wrong with")
    finally:
        database.close()


def _catalog_import(given: argparse.Namespace, settings: Settings) -> int:
    from core.catalogue_files import import_files

    with closing(_ready(settings)) as house:
        return _report(
            import_files(house.engine.db, given.paths, house.engine.clock(), source=given.source, progress=_progress), "Imported"
        )


def _catalog_export(given: argparse.Namespace, settings: Settings) -> int:
    from core.catalogue_files import export

    with closing(_ready(settings)) as house:
        counts = export(house.engine.db, given.path, given.format, progress=_progress)
        print(f"Wrote {_counted(counts)} to {given.path}.")
        return 0


def _backup(given: argparse.Namespace, settings: Settings) -> int:
    from channels import backup
    from core.db import Database
    from core.migrate import is_current

    with closing(Database(settings.database)) as database:
        if not is_current(database):
            raise Refused("The database is not at the newest schema; run `traveloure migrate` first, or back it up with its own version.")
        made = backup.make(database, settings.data_dir, given.target, datetime.now(UTC))
    print(f"Backed up into {made}")
    return 0


def _restore(given: argparse.Namespace, settings: Settings) -> int:
    """Ends with 1 where the restored books or counters do not agree."""
    from channels import backup
    from core.db import Database

    with closing(Database(settings.database)) as database:
        done = backup.restore(database, settings.data_dir, given.folder)
    for one in done.wrong:
        print(one, file=sys.stderr)
    print(f"Restored: schema {done.schema}, {done.rows:,} messages, {len(done.wrong)} things that do not agree.")
    return 1 if done.wrong else 0


def _verify_slots(given: argparse.Namespace, settings: Settings) -> int:
    """Ends with 1 where something is wrong and was not mended."""
    from core import counters

    with closing(_ready(settings)) as house:
        found = counters.verify(house.engine, repair=given.repair)
    for one in found["drift"]:
        at = f"{one['resource']} {one['date']} {one['start']}".strip()
        said = f"holds say {one['held_by_holds']} held and {one['booked_by_holds']} booked"
        print(f"{at}: counted {one['held']} held and {one['booked']} booked, {said}")
    for one in found["oversold"]:
        print(f"{one['resource']} {one['date']} {one['start']}: {one['taken']} places are taken of {one['capacity']}", file=sys.stderr)
    wrong = len(found["drift"])
    print(f"{found['slots']:,} slots, {wrong:,} counted wrong, {found['repaired']:,} mended.")
    return 1 if found["oversold"] or wrong > found["repaired"] else 0


def _report(report: Report, verb: str) -> int:
    if report.ok:
        print(f"{verb} {_counted(report.counts)}.")
        return 0
    for problem in report.problems:
        print(problem, file=sys.stderr)
    more = report.problem_count - len(report.problems)
    print(f"{report.problem_count:,} problem(s){f', {more:,} more than shown' if more > 0 else ''}; nothing was changed.", file=sys.stderr)
    return 1


def _counted(counts: dict[str, int]) -> str:
    def plural(kind: str, count: int) -> str:
        return kind if count == 1 else f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"

    return ", ".join(f"{count:,} {plural(kind.replace('_', ' '), count)}" for kind, count in counts.items()) or "nothing"


def _progress(step: str, done: int, total: int | None) -> None:
    """A bar on a terminal; nothing where the output goes into a file."""
    if not sys.stderr.isatty():
        return
    if total:
        filled = int(30 * done / max(1, total))
        line = f"{step:<10} [{'#' * filled}{'.' * (30 - filled)}] {done:,} of {total:,}"
    else:
        line = f"{step:<10} {done:,}"
    end = "\n" if total and done >= total else ""
    print(f"\r{line:<78}", end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
