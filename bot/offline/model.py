"""The offline planner as a chat model: the same graph, the same tools, no key and no network."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PrivateAttr

from bot.offline.plan import Step

Planner = Callable[[Sequence[BaseMessage], Sequence[str]], Step]

NAME = "offline-planner"


class OfflineModel(BaseChatModel):
    """Wraps `planner(messages, tool names) -> Step`. `pace` is seconds between streamed words; 0 streams at once."""

    planner: Planner
    pace: float = 0.0
    _described: dict[tuple[int, ...], list[dict[str, Any]]] = PrivateAttr(default_factory=dict)

    @property
    def _llm_type(self) -> str:
        return NAME

    def bind_tools(self, tools: Sequence[Any], *, tool_choice: Any = None, **kwargs: Any) -> Runnable[Any, AIMessage]:
        key = tuple(id(tool) for tool in tools)  # the graph binds the same tools at every call
        if key not in self._described:
            self._described[key] = [convert_to_openai_tool(tool) for tool in tools]
        return self.bind(tools=self._described[key], tool_choice=tool_choice, **kwargs)

    def _reply(self, messages: Sequence[BaseMessage], kwargs: dict[str, Any]) -> AIMessage:
        names = [tool["function"]["name"] for tool in kwargs.get("tools") or ()]
        step = self.planner(messages, names)
        calls = [{"name": step.call, "args": dict(step.arguments), "id": f"call_{uuid.uuid4().hex}"}] if step.call else []
        return AIMessage(
            content=step.text,
            tool_calls=calls,
            response_metadata={"model_name": NAME, "model_provider": "traveloure", "finish_reason": "tool_calls" if calls else "stop"},
            usage_metadata={"input_tokens": 0, "output_tokens": 0, "total_tokens": 0},
        )

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._reply(messages, kwargs))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        reply = await asyncio.to_thread(self._reply, messages, kwargs)
        return ChatResult(generations=[ChatGeneration(message=reply)])

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in _chunks(self._reply(messages, kwargs)):
            if run_manager:
                run_manager.on_llm_new_token(str(chunk.message.text), chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        reply = await asyncio.to_thread(self._reply, messages, kwargs)
        for chunk in _chunks(reply, whole=self.pace == 0):
            if self.pace and chunk.message.text:
                await asyncio.sleep(self.pace)
            if run_manager:
                await run_manager.on_llm_new_token(str(chunk.message.text), chunk=chunk)
            yield chunk


def _chunks(message: AIMessage, *, whole: bool = False) -> Iterator[ChatGenerationChunk]:
    """The text word by word (or in one piece), then the tool calls, then a last chunk with how it ended."""
    words = ([message.text] if message.text else []) if whole else re.findall(r"\S+\s*", message.text)
    for word in words:
        yield ChatGenerationChunk(message=AIMessageChunk(content=word))
    for index, call in enumerate(message.tool_calls):
        part = tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index)
        yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[part]))
    yield ChatGenerationChunk(
        message=AIMessageChunk(
            content="", response_metadata=message.response_metadata, usage_metadata=message.usage_metadata, chunk_position="last"
        )
    )
