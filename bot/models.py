"""Which model talks: OpenAI (or anything that speaks its wire) with a key, else the offline planner."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.outputs import ChatGenerationChunk


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """`api_key` None means offline. `timeout` is seconds for one whole model call."""

    api_key: str | None
    base_url: str = ""
    model: str = "gpt-5-mini"
    timeout: float = 20.0
    responses: bool = False
    temperature: float | None = None  # None: the model's own


def live_model(choice: ModelChoice) -> BaseChatModel | None:
    """The chat model of the settings, or None where there is no key. Imports langchain-openai only then."""
    if choice.api_key is None:
        return None
    from langchain_openai import ChatOpenAI

    class StrictChatOpenAI(ChatOpenAI):
        """A streamed tool call counts only when its raw argument text is whole JSON (langchain parses partial ones)."""

        takes_parallel_setting: bool = True

        async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
            seen: dict[Any, str] = {}
            async for chunk in super()._astream(*args, **kwargs):
                _collect(seen, chunk)
                yield chunk
            _whole(seen)

        def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
            seen: dict[Any, str] = {}
            for chunk in super()._stream(*args, **kwargs):
                _collect(seen, chunk)
                yield chunk
            _whole(seen)

    return StrictChatOpenAI(
        model=choice.model,
        api_key=choice.api_key,
        base_url=choice.base_url or None,
        timeout=choice.timeout,
        max_retries=1,
        streaming=True,
        stream_usage=True,
        use_responses_api=choice.responses,
        **({} if choice.temperature is None else {"temperature": choice.temperature}),
        stream_chunk_timeout=choice.timeout,
    )


def _collect(seen: dict[Any, str], chunk: ChatGenerationChunk) -> None:
    for part in getattr(chunk.message, "tool_call_chunks", None) or ():
        seen[part["index"]] = seen.get(part["index"], "") + (part["args"] or "")


def _whole(seen: dict[Any, str]) -> None:
    for raw in seen.values():
        json.loads(raw or "{}")  # raises before anything has run
