"""Our own words for everyone's messages: what came in, what goes out, and what a door can show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Kind = Literal["text", "press", "form", "command", "media", "edit", "joined", "blocked", "unblocked", "opened"]

WITH_FORMS = frozenset({"slack"})  # doors that show a form as one: nothing is asked line by line there
WITH_FILES = frozenset({"telegram"})  # doors that are sent the voucher as a file
ROOTED = frozenset({"slack"})  # doors on which a topic is the thread under a message of ours, which is the desk's card


@dataclass(frozen=True, slots=True)
class Sender:
    """Who did it, as the platform says. Names are shown to people and never trusted."""

    user_id: str
    name: str = ""
    locale: str = "en"
    person: bool = True  # False for bots, channels and anonymous administrators, who may decide nothing


@dataclass(frozen=True, slots=True)
class Media:
    """A file that waits on the platform; `file_id` is what the door fetches it by."""

    file_id: str
    name: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a door. `event_id` is the platform's own name for it: a second time is the same event."""

    channel: str
    workspace: str
    event_id: str
    kind: Kind
    chat_id: str
    sender: Sender
    thread_id: str = ""
    private: bool = True
    addressed: bool = True  # in a group: meant for us
    message_id: str = ""  # of what was written, or of what the pressed button hangs on
    text: str = ""
    command: str = ""
    action: str = ""  # an opaque id of ours, or a word of the door's own (a page to turn, a day to pick)
    press_id: str = ""  # what an answer to a press has to name
    reply_to: str = ""
    forwarded: bool = False
    media: Media | None = None
    location: tuple[float, float] | None = None
    hangs_on: str = ""  # where replies make a thread under a message: that message; an answer goes into its thread
    fields: Mapping[str, str] = field(default_factory=dict)  # of a form that was sent

    @property
    def client_id(self) -> str:
        """The name of the line it becomes in a conversation's log."""
        return f"{self.channel}-{self.workspace}-{self.event_id}"[:64]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Event:
        given = dict(kept)
        given["sender"] = Sender(**given["sender"])
        given["media"] = Media(**given["media"]) if given.get("media") else None
        given["location"] = tuple(given["location"]) if given.get("location") else None
        return cls(**given)


@dataclass(frozen=True, slots=True)
class Caps:
    """What a door can show. `max_text` in the platform's own units."""

    max_text: int
    max_actions: int
    edit: bool = True
    thread: bool = True
    stream: bool = False
    form: bool = False
    image: bool = True


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message on its way out: drawn parts (channels.render) with their buttons, before the adapter.

    `op` is send, or edit (`replaces` names the message), or a door's own act (topic, close_topic, answer) with `about`.
    """

    parts: Sequence[Mapping[str, Any]] = ()
    op: str = "send"
    reply_to: str = ""
    hangs_on: str = ""  # the message into whose thread it goes, on doors that have threads under messages
    replaces: str = ""
    silent: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)
    subject: str = ""  # what a reply to it is about; kept with the platform's id of the message
    version: str = ""
    conversation_id: str = ""
    seq: int = 0
    locale: str = "en"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a platform's interface, as plain data. `twice` says that doing it twice does no harm."""

    method: str
    params: Mapping[str, Any]
    twice: bool = False
