"""From drawn parts to a letter of RFC 5322: text and HTML of the same lines, what is attached, and the headers that keep threads
together and loops apart. Pure: the same message is the same bytes each time it is made, its Message-ID too.

Everything that people wrote is escaped by the template; addresses in their words become no links.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from channels import papers
from channels.mail.compose import choices
from channels.message import Call, Outgoing
from channels.phrases import phrase
from channels.web.vouchers import as_calendar

Part = Mapping[str, Any]
MOST_TITLE = 150
HTML = Environment(loader=PackageLoader("channels.mail"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


@dataclass(frozen=True, slots=True)
class Sender:
    """`address` is whom letters are from, `reply_domain` where answers to them are received."""

    address: str = "Traveloure <trips@traveloure.invalid>"
    reply_domain: str = ""

    @property
    def mailbox(self) -> Address:
        name, spec = parseaddr(self.address)
        return Address(display_name=name or "Traveloure", addr_spec=spec)

    @property
    def answers_at(self) -> str:
        return self.reply_domain or self.mailbox.domain


def render(out: Outgoing, sender: Sender) -> list[Call]:
    """One call for one letter. It is not made twice: nobody but the recipient could tell that it is the same one."""
    if out.op != "send":
        return []
    message, local_id = letter(out, sender)
    params = {
        "from": f"bounce+{out.about['seal']}@{sender.answers_at}",
        "to": out.about["to"],
        "data": message.as_bytes(policy=SMTP),
        "id": local_id,
    }
    return [Call("mail", params)]


def letter(out: Outgoing, sender: Sender) -> tuple[EmailMessage, str]:
    """The letter, and the part of its Message-ID before the @, which is made of the decision it tells of."""
    about, domain = out.about, sender.answers_at
    local_id = hashlib.sha256(str(about["key"]).encode()).hexdigest()[:40]
    message = EmailMessage(policy=SMTP)
    message["From"] = sender.mailbox
    message["To"] = _one_line(str(about["to"]))
    message["Subject"] = _one_line(str(about["title"]))[:MOST_TITLE]
    message["Date"] = format_datetime(about["at"].astimezone(UTC))
    message["Message-ID"] = f"<{local_id}@{domain}>"
    message["Reply-To"] = f"reply+{about['seal']}@{domain}"
    if out.reply_to:
        before = _one_line(out.reply_to if out.reply_to.startswith("<") else f"<{out.reply_to}@{domain}>")
        message["In-Reply-To"] = before
        message["References"] = before
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    if about.get("unsubscribe"):
        message["List-Unsubscribe"] = f"<{about['unsubscribe']}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    blocks = _blocks(out)
    footer = str(phrase(out.locale, "mail_door", "footer"))
    off = str(about.get("unsubscribe", ""))
    message.set_content(_text(blocks, footer, off, out.locale))
    page = HTML.get_template("letter.html").render(
        title=about["title"], blocks=blocks, footer=footer, off=off, off_label=phrase(out.locale, "mail_door", "off"), locale=out.locale
    )
    message.add_alternative(page, subtype="html")
    _attach(message, about, sender)
    return message, local_id


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _blocks(out: Outgoing) -> list[dict[str, Any]]:
    """Parts as what a letter can show: {"title", "tone", "lines", "numbered", "links", "quiet"}."""
    made = []
    number = 0
    for part in out.parts:
        block: dict[str, Any] = {"title": "", "tone": "", "lines": [], "numbered": [], "links": [], "quiet": bool(part.get("quiet"))}
        match part["type"]:
            case "text":
                block["lines"] = str(part["text"]).split("\n")
            case "status":
                block |= {"title": str(part["title"]), "tone": str(part.get("tone", ""))}
                block["lines"] = [line for line in (part.get("text", ""), *part.get("lines", ())) if line]
            case "links":
                block["links"] = [{"label": one["label"], "url": one["url"]} for one in part["items"]]
            case "summary":
                block["title"] = str(part.get("title", ""))
                block["lines"] = list(_sums(part))
        for _, label in choices([part]):
            number += 1
            block["numbered"].append((number, label))
        block["links"] += [{"label": one["label"], "url": one["url"]} for one in part.get("buttons", ()) if one.get("url")]
        if any(block[name] for name in ("title", "lines", "numbered", "links")):
            made.append(block)
    if number:
        made.append(
            {"title": "", "tone": "", "lines": [phrase(out.locale, "mail_door", "numbers")], "numbered": [], "links": [], "quiet": True}
        )
    return made


def _sums(part: Part) -> list[str]:
    lines = []
    for group in part.get("groups", ()):
        lines += [f"{one['label']}: {one['amount']}" for one in group["lines"]]
        if group.get("total"):
            lines.append(f"{group['total']['label']}: {group['total']['amount']}")
    if part.get("total"):
        lines.append(f"{part['total']['label']}: {part['total']['amount']}")
    return lines


def _text(blocks: Sequence[Mapping[str, Any]], footer: str, off: str, locale: str) -> str:
    paragraphs = []
    for block in blocks:
        lines = [block["title"]] if block["title"] else []
        lines += block["lines"]
        lines += [f"  {number}  {label}" for number, label in block["numbered"]]
        lines += [f"{one['label']}: {one['url']}" for one in block["links"]]
        paragraphs.append("\n".join(lines))
    end = f"-- \n{footer}" + (f"\n{phrase(locale, 'mail_door', 'off')}: {off}" if off else "")
    return "\n\n".join([*paragraphs, end]) + "\n"


def _attach(message: EmailMessage, about: Mapping[str, Any], sender: Sender) -> None:
    """Each booking's voucher and calendar entry; of what is cancelled only the entry that takes it out again."""
    for paper in about.get("papers", ()):
        facts, path = paper["facts"], paper["path"]
        over = facts["status"] == "CANCELLED"
        method = "CANCEL" if over else "PUBLISH"
        if not over:
            pdf = papers.voucher(facts, f"{about['base_url']}{path}", about["at"])
            message.add_attachment(pdf, maintype="application", subtype="pdf", filename=f"voucher-{facts['reference']}.pdf")
        token = path.rpartition("/")[2]
        entry = as_calendar(facts, about["base_url"], token, about["at"], method, organizer=sender.mailbox.addr_spec)
        message.add_attachment(
            entry, maintype="text", subtype="calendar", filename=f"{facts['reference']}.ics", params={"method": method, "charset": "utf-8"}
        )
    paid = about.get("receipt")
    if paid:
        number = f"R-{paid['payment'][:8].upper()}"
        name = next((one["facts"]["name"] for one in about.get("papers", ())), "")
        pdf = papers.receipt(paid["paid"], paid["bookings"], number, name, paid["at"])
        message.add_attachment(pdf, maintype="application", subtype="pdf", filename=f"receipt-{number}.pdf")
