"""A small server that speaks OpenAI's chat completions and answers as the offline planner would: the live model's way, without a model."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from bot.offline.planner import OfflinePlanner


def heard(messages: list[Mapping[str, Any]]) -> list[BaseMessage]:
    """The wire's messages as the planner reads them; a tool's answer gets the name of the call it answers."""
    names: dict[str, str] = {}
    told: list[BaseMessage] = []
    for one in messages:
        content = one.get("content") or ""
        text = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
        if one["role"] == "assistant":
            calls = [
                {"name": call["function"]["name"], "args": json.loads(call["function"]["arguments"]), "id": call["id"]}
                for call in one.get("tool_calls") or ()
            ]
            names |= {str(call["id"]): str(call["name"]) for call in calls}
            told.append(AIMessage(text, tool_calls=calls))
        elif one["role"] == "tool":
            told.append(ToolMessage(text, tool_call_id=one["tool_call_id"], name=names[one["tool_call_id"]]))
        elif one["role"] == "user":
            told.append(HumanMessage(text, name=one.get("name")))
        else:
            told.append(SystemMessage(text))
    return told


@contextmanager
def serving(planner: OfflinePlanner) -> Iterator[str]:
    """The base URL of the server while it runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            step = planner(heard(asked["messages"]), [tool["function"]["name"] for tool in asked.get("tools", ())])
            delta: dict[str, Any] = {"role": "assistant", "content": step.text or None}
            if step.call:
                given = json.dumps(dict(step.arguments))
                delta["tool_calls"] = [
                    {
                        "index": 0,
                        "id": f"call_{uuid.uuid4().hex[:20]}",
                        "type": "function",
                        "function": {"name": step.call, "arguments": given},
                    }
                ]
            finish = "tool_calls" if step.call else "stop"
            usage = {"prompt_tokens": len(json.dumps(asked)) // 4, "completion_tokens": len(json.dumps(delta)) // 4}
            usage["total_tokens"] = sum(usage.values())
            head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": asked["model"]}
            pieces = [
                {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
                {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]},
                {**head, "choices": [], "usage": usage},
            ]
            body = "".join(f"data: {json.dumps(piece)}\n\n" for piece in pieces) + "data: [DONE]\n\n"
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("content-length", str(len(body.encode())))
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
