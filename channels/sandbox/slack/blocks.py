"""Block Kit as strictly as Slack reads it: the library's own models, and the limits they do not check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

MOST_MESSAGE, MOST_VIEW = 50, 100
Json = dict[str, Any]


class BadBlocks(Exception):
    """`messages` end in a JSON pointer, as Slack's do."""

    def __init__(self, message: str, pointer: str) -> None:
        super().__init__(message)
        self.messages = [f"[ERROR] {message} [json-pointer:{pointer}]"]


def check_blocks(blocks: Any, most: int, where: str = "/blocks") -> None:
    """Raises BadBlocks."""
    if not isinstance(blocks, list):
        raise BadBlocks("must be an array", where)
    if len(blocks) > most:
        raise BadBlocks(f"no more than {most} items allowed", where)
    seen: set[str] = set()
    for at, block in enumerate(blocks):
        pointer = f"{where}/{at}"
        try:
            parsed = Block.parse(dict(block))
            if parsed is None:
                raise BadBlocks(f"unsupported type: {block.get('type')}", pointer)
            parsed.to_dict()
        except (SlackObjectFormationError, TypeError, ValueError) as error:
            raise BadBlocks(str(error), pointer) from None
        _check(block, pointer, seen, most)


def _check(block: Mapping[str, Any], pointer: str, seen: set[str], most: int) -> None:
    kind = block["type"]
    if block.get("block_id"):
        if block["block_id"] in seen:
            raise BadBlocks("`block_id` already exists", pointer)
        seen.add(str(block["block_id"]))
    if kind == "section":
        if not block.get("text") and not block.get("fields"):
            raise BadBlocks("missing required field: text", pointer)
        _text(block.get("text"), 3000, f"{pointer}/text")
        if block.get("accessory", {}).get("type") == "image" and not str(block["accessory"].get("image_url")).startswith("https://"):
            raise BadBlocks("downloading image failed", f"{pointer}/accessory/image_url")
    elif kind == "header":
        _text(block.get("text"), 150, f"{pointer}/text")
    elif kind == "context":
        if not 1 <= len(block["elements"]) <= 10:
            raise BadBlocks("no more than 10 items allowed", f"{pointer}/elements")
        for at, one in enumerate(block["elements"]):
            _text(one, 3000, f"{pointer}/elements/{at}")
    elif kind == "actions":
        _actions(block["elements"], f"{pointer}/elements")
    elif kind == "input":
        if most == MOST_MESSAGE:
            raise BadBlocks("unsupported type: input", pointer)
        _text(block.get("label"), 2000, f"{pointer}/label")
        options = block["element"].get("options")
        if options is not None and not 1 <= len(options) <= 100:
            raise BadBlocks("no more than 100 items allowed", f"{pointer}/element/options")


def _actions(elements: Sequence[Mapping[str, Any]], pointer: str) -> None:
    if not 1 <= len(elements) <= 25:
        raise BadBlocks("no more than 25 items allowed", pointer)
    ids = [one.get("action_id") for one in elements]
    if None in ids or len(set(ids)) != len(ids):
        raise BadBlocks("`action_id` must be unique", pointer)
    for at, one in enumerate(elements):
        if one["type"] == "button":
            _text(one.get("text"), 75, f"{pointer}/{at}/text")
            if len(str(one.get("value") or "")) > 2000:
                raise BadBlocks("must be less than 2001 characters", f"{pointer}/{at}/value")
            if one.get("url") and not str(one["url"]).startswith(("http://", "https://", "slack://")):
                raise BadBlocks("must be a valid URL", f"{pointer}/{at}/url")
            if one.get("style") not in (None, "primary", "danger"):
                raise BadBlocks("must be a valid enum value", f"{pointer}/{at}/style")


def _text(given: Any, most: int, pointer: str) -> None:
    if given is None:
        return
    if not isinstance(given, Mapping) or given.get("type") not in ("mrkdwn", "plain_text") or not str(given.get("text") or ""):
        raise BadBlocks("must be more than 0 characters", pointer)
    if len(str(given["text"])) > most:
        raise BadBlocks(f"must be less than {most + 1} characters", pointer)


def check_view(view: Any) -> None:
    """Raises BadBlocks."""
    if not isinstance(view, Mapping) or view.get("type") not in ("modal", "home"):
        raise BadBlocks("must be a modal or a home", "/view/type")
    check_blocks(view.get("blocks"), MOST_VIEW, "/view/blocks")
    if len(str(view.get("private_metadata") or "")) > 3000:
        raise BadBlocks("must be less than 3001 characters", "/view/private_metadata")
    if view["type"] == "modal":
        if not view.get("title"):
            raise BadBlocks("missing required field: title", "/view")
        for name in ("title", "submit", "close"):
            _text(view.get(name), 24, f"/view/{name}")
        if any(one["type"] == "input" for one in view["blocks"]) and not view.get("submit"):
            raise BadBlocks("missing required field: submit", "/view")
