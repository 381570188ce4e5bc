"""Files that travelers send: known by their bytes and not by their name, kept beside the database, given out only to the conversation."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

MOST = 5 * 1024 * 1024
BODY = MOST + 512 * 1024  # the most any request may bring: a file and the form around it

ENDINGS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "application/pdf": "pdf"}


@dataclass(frozen=True, slots=True)
class Kept:
    name: str
    kind: str
    size: int


def sniff(data: bytes) -> str | None:
    """The media type by the first bytes, or None for everything we do not take."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data.startswith(b"%PDF-"):
        return "application/pdf"
    return None


def clean_name(name: str, kind: str) -> str:
    """A file name that is safe to show and to save under, with the ending its bytes deserve."""
    stem = re.sub(r"[^\w .()-]", "_", Path(name.replace("\\", "/")).name.rpartition(".")[0] or name)[:80].strip(" .") or "file"
    return f"{stem}.{ENDINGS[kind]}"


def place(data_dir: Path, conversation_id: str, upload_id: str) -> Path:
    """`upload_id` is a `stored_name`, and the conversation's id is checked against its row: neither can climb out of the folder."""
    return data_dir / "uploads" / conversation_id / upload_id


def keep(data_dir: Path, conversation_id: str, upload_id: str, data: bytes) -> None:
    path = place(data_dir, conversation_id, upload_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def stored_name(mid: str) -> str:
    """A message's id as a file name: the client chose the id, so only its digest touches the disk."""
    return hashlib.sha256(mid.encode()).hexdigest()[:40]
