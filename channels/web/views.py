"""Pages of ours: a template, a strict policy of what it may load, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.templating import Jinja2Templates

HERE = Path(__file__).parent
STATIC = HERE / "static"
templates = Jinja2Templates(directory=HERE / "templates")

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'self' https://*.stripe.com",  # on from our button to the payment service's onboarding
        "base-uri 'none'",
        "frame-ancestors {ancestors}",
        "require-trusted-types-for 'script'",
    )
)


def policy(ancestors: str = "'none'") -> str:
    return POLICY.format(ancestors=ancestors)


def page(
    request: Request,
    name: str,
    /,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    ancestors: str = "'none'",
    **context: Any,
) -> Response:
    """Render a template under the strict policy; pages are never kept by shared caches."""
    response = templates.TemplateResponse(request, name, context, status_code=status)
    response.headers["content-security-policy"] = policy(ancestors)
    response.headers["cache-control"] = "no-store" if request.cookies else "no-cache"
    for key, value in (headers or {}).items():
        response.headers[key] = value
    return response
