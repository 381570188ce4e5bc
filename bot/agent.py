"""The graph: one model, the role's tools, and the middleware that keeps both honest."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog
from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    ModelCallLimitMiddleware,
    ModelRequest,
    ModelResponse,
    ToolCallLimitMiddleware,
    ToolErrorMiddleware,
)
from langchain.tools import ToolRuntime
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, message_to_dict, messages_from_dict
from langchain_core.tools import BaseTool, StructuredTool

from bot.context import Turn
from bot.memory import context_message
from core.errors import Fenced
from tools import registry

log = structlog.get_logger()

WHOLE = ("stop", "tool_calls", "completed")  # finish words of chat/completions and of the Responses API
MODEL_CALLS = 8
TOOL_CALLS = 12

Handler = Callable[[ModelRequest[Turn]], Awaitable[ModelResponse[Any]]]


class BadModelReply(Exception):
    """The model's answer was cut off, malformed or empty; the next model answers instead."""


def as_tool(tool: registry.Tool) -> BaseTool:
    """One verb as the graph calls it: the desk comes from the runtime, which the model neither sees nor fills."""

    def call(runtime: ToolRuntime[Turn], **arguments: Any) -> str:
        outcome = registry.call(tool, runtime.context.desk, arguments)
        runtime.context.parts.extend(outcome.parts)
        return json.dumps(outcome.data, ensure_ascii=False, default=str)

    return StructuredTool.from_function(call, name=tool.name, description=tool.description, args_schema=tool.schema, infer_schema=False)


class ShowFacts(AgentMiddleware[Any, Turn]):
    """Puts the fresh snapshot right before the traveler's words; everything above it stays the same for provider caches."""

    async def awrap_model_call(self, request: ModelRequest[Turn], handler: Handler) -> ModelResponse[Any]:
        messages = list(request.messages)
        at = max((i for i, message in enumerate(messages) if isinstance(message, HumanMessage)), default=len(messages))
        messages.insert(at, context_message(request.runtime.context.facts))
        return await handler(request.override(messages=messages))


class Remember(AgentMiddleware[Any, Turn]):
    """Each reply is kept before its tools run; a turn driven again plays them back instead of asking again."""

    async def awrap_model_call(self, request: ModelRequest[Turn], handler: Handler) -> ModelResponse[Any]:
        turn = request.runtime.context
        index, turn.calls = turn.calls, turn.calls + 1
        if index < len(turn.recorded):
            return ModelResponse(result=messages_from_dict([dict(turn.recorded[index])]))
        response = await handler(request)
        reply = response.result[0]
        turn.recorded.append(message_to_dict(reply))
        turn.models.append(str(getattr(reply, "response_metadata", {}).get("model_name", "")))
        if isinstance(reply, AIMessage) and reply.tool_calls:
            await asyncio.to_thread(turn.record, list(turn.recorded))
        return response


class FallBack(AgentMiddleware[Any, Turn]):
    """A dead, slow or babbling model is answered for by the offline planner; after a failure it rests for a while."""

    def __init__(self, offline: BaseChatModel, *, timeout: float, rest: float = 30.0) -> None:
        super().__init__()
        self._offline = offline
        self._timeout = timeout
        self._rest = rest
        self._rests_until = float("-inf")

    async def awrap_model_call(self, request: ModelRequest[Turn], handler: Handler) -> ModelResponse[Any]:
        if request.runtime.context.used_up:
            request.runtime.context.fallbacks.append("used_up")
        elif time.monotonic() >= self._rests_until:
            try:
                async with asyncio.timeout(self._timeout):
                    return await handler(request)
            except Exception as error:  # noqa: BLE001  whatever a model does wrong, the traveler gets an answer; the cause is kept
                self._rests_until = time.monotonic() + self._rest
                cause = type(error).__name__
                request.runtime.context.fallbacks.append(cause)
                log.warning("model_failed", cause=cause, conversation=request.runtime.context.desk.actor.conversation_id)
        return await handler(request.override(model=self._offline))


class GuardReply(AgentMiddleware[Any, Turn]):
    """Fails closed on anything that is not a whole answer: a cut-off tool call must never run."""

    async def awrap_model_call(self, request: ModelRequest[Turn], handler: Handler) -> ModelResponse[Any]:
        response = await handler(request)
        reply = response.result[0]
        if isinstance(reply, AIMessage):
            if reply.invalid_tool_calls:
                raise BadModelReply("malformed tool arguments")
            finish = reply.response_metadata.get("finish_reason") or reply.response_metadata.get("status")
            if finish not in WHOLE:
                raise BadModelReply(f"cut off: {finish}")
            if not reply.text and not reply.tool_calls:
                raise BadModelReply("empty reply")
        return response


class SerialTools(AgentMiddleware[Any, Turn]):
    """One tool call at a time, where the model knows the setting."""

    async def awrap_model_call(self, request: ModelRequest[Turn], handler: Handler) -> ModelResponse[Any]:
        if getattr(request.model, "takes_parallel_setting", False):
            request = request.override(model_settings={**request.model_settings, "parallel_tool_calls": False})
        return await handler(request)


def on_tool_error(error: Exception, _request: Any) -> str | None:
    """A fault of ours: one generic line for the model, the cause in the log. Fenced ends the turn."""
    if isinstance(error, Fenced):
        return None
    log.error("tool_failed", cause=type(error).__name__, exc_info=error)
    return json.dumps({"ok": False, "error": "internal", "message": "That did not work just now. Offer to try again or a human expert."})


def build_agent(
    role: str,
    model: BaseChatModel,
    offline: BaseChatModel,
    system_prompt: str,
    *,
    timeout: float,
    tools: Sequence[registry.Tool] | None = None,
) -> Any:
    """The compiled graph of one role; costs some milliseconds, so it is built once a process. `tools` in place of the role's are for
    drills that show what a guard is good for."""
    guards: Sequence[AgentMiddleware[Any, Turn]] = [
        Remember(),
        ShowFacts(),
        ModelCallLimitMiddleware(run_limit=MODEL_CALLS),
        ToolCallLimitMiddleware(run_limit=TOOL_CALLS),
        *([FallBack(offline, timeout=timeout)] if model is not offline else []),
        GuardReply(),
        SerialTools(),
        ToolErrorMiddleware(on_tool_error),
    ]
    return create_agent(
        model,
        [as_tool(tool) for tool in (registry.tools_for(role) if tools is None else tools)],
        system_prompt=system_prompt,
        middleware=guards,
        context_schema=Turn,
    )
