"""The one place where the house's refusals become HTTP: a status and {"error": {"code", "message", "field"?}}."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from channels.web.views import page
from core.errors import (
    AlreadyDecided,
    CoreError,
    Expired,
    Fenced,
    Invalid,
    NotAllowed,
    NotFound,
    PriceChanged,
    Refused,
    SoldOut,
    TryAgain,
    WrongState,
)

STATUS: dict[type[CoreError], int] = {
    NotFound: 404,
    Invalid: 422,
    NotAllowed: 403,
    Expired: 410,
    SoldOut: 409,
    PriceChanged: 409,
    AlreadyDecided: 409,
    WrongState: 409,
    Fenced: 409,
    Refused: 409,
    TryAgain: 503,
    CoreError: 500,
}

PLAIN = {
    401: ("sign_in", "Please sign in first."),
    403: ("not_allowed", "You may not do that."),
    404: ("not_found", "There is nothing at this address."),
    405: ("not_allowed", "That cannot be done at this address."),
    413: ("too_big", "That is too big. A file may have up to 5 MB."),
    415: ("wrong_type", "Only pictures (JPEG, PNG, WebP) and PDF files can be sent."),
    500: ("error", "Something went wrong on our side. Please try again."),
}


class RateLimited(CoreError):
    """Too many of something in a while; `retry_after` is whole seconds."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message, retry_after=retry_after)
        self.retry_after = retry_after


class SignInNeeded(CoreError):
    """No session, or one that is over."""

    code = "sign_in"


STATUS[RateLimited] = 429
STATUS[SignInNeeded] = 401


def status_of(error: CoreError) -> int:
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def body_of(code: str, message: str, field: str | None = None) -> dict[str, Any]:
    error = {"code": code, "message": message}
    return {"error": error | ({"field": field} if field else {})}


def answer(request: Request, status: int, code: str, message: str, *, field: str | None = None, retry_after: int | None = None) -> Response:
    """JSON for programs, a friendly page for people who followed a link."""
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    if wants_page(request):
        return page(request, "error.html", status=status, headers=headers, code=status, message=message)
    if request.url.path.startswith("/api/"):
        problem = {"type": "about:blank", "title": code.replace("_", " "), "status": status, "detail": message, "code": code}
        problem |= {"field": field} if field else {}
        return JSONResponse(problem, status_code=status, headers=headers, media_type="application/problem+json")
    return JSONResponse(body_of(code, message, field), status_code=status, headers=headers)


def wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(("/chat/v1", "/api", "/webhooks"))


def install(app: FastAPI) -> None:
    async def of_core(request: Request, error: Exception) -> Response:
        if not isinstance(error, CoreError):
            raise error
        retry = error.retry_after if isinstance(error, RateLimited) else 1 if isinstance(error, TryAgain) else None
        field = error.field if isinstance(error, Invalid) else None
        return answer(request, status_of(error), error.code, error.message, field=field, retry_after=retry)

    async def of_http(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        code, message = PLAIN.get(status, ("error", str(getattr(error, "detail", "")) or "That did not work."))
        return answer(request, status, code, message)

    async def of_validation(request: Request, error: Exception) -> Response:
        problem = error.errors()[0] if isinstance(error, RequestValidationError) and error.errors() else {}
        field = str(problem.get("loc", ("",))[-1])
        return answer(request, 422, "invalid", f"{field}: {problem.get('msg', 'this cannot be right')}.", field=field)

    async def of_anything(request: Request, _error: Exception) -> Response:
        return answer(request, 500, *PLAIN[500])

    app.add_exception_handler(CoreError, of_core)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, of_validation)
    app.add_exception_handler(Exception, of_anything)
