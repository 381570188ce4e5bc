"""How the sandbox says no: Stripe's statuses and error objects, with texts of its own."""

from __future__ import annotations

from typing import Any


class No(Exception):
    """One refusal. `body` is what goes over the wire under "error"."""

    def __init__(
        self, message: str, *, status: int = 400, kind: str = "invalid_request_error", code: str = "", param: str = "", **more: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"type": kind, "message": message, **more}
        if code:
            self.body["code"] = code
        if param:
            self.body["param"] = param


def missing(kind: str, object_id: str, param: str = "id") -> No:
    return No(f"No such {kind}: '{object_id}'", status=404, code="resource_missing", param=param)


def not_built(param: str) -> No:
    """A parameter Stripe knows and the sandbox does not act on: refused, because ignoring it would be a lie."""
    return No(f"The local sandbox does not act on '{param}'.", code="sandbox_not_built", param=param)
