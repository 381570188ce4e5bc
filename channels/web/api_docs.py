"""The REST door described: OpenAPI 3.1 at /api/openapi.json, and a page for people that loads nothing from elsewhere."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import JSONResponse, Response

from channels.web.views import page


def router() -> APIRouter:
    docs = APIRouter(include_in_schema=False)

    @docs.get("/api/openapi.json")
    def description(request: Request) -> Response:
        return JSONResponse(describe(request.app))

    @docs.get("/api/docs")
    def shown(request: Request) -> Response:
        return page(request, "api.html", operations=operations(describe(request.app)))

    return docs


def describe(app: Any) -> dict[str, Any]:
    """Only what stands under /api/, with the one way to sign in."""
    routes = [route for route in app.routes if getattr(route, "path", "").startswith("/api/")] or list(app.routes)
    found = get_openapi(title="Traveloure", version="1", description="Bookings, requests, availability and prices.", routes=routes)
    found["paths"] = {path: item for path, item in found["paths"].items() if path.startswith("/api/")}
    found.setdefault("components", {})["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    found["security"] = [{"token": []}]
    for item in found["paths"].values():
        for operation in item.values():
            operation["parameters"] = [one for one in operation.get("parameters", []) if one["name"].lower() != "authorization"]
    return found


def operations(described: dict[str, Any]) -> list[dict[str, Any]]:
    """One entry an operation for the page: method, path, what it does, its parameters and body fields."""
    schemas = described.get("components", {}).get("schemas", {})
    shown = []
    for path, item in described["paths"].items():
        for method, operation in item.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            name = str(body.get("$ref", "")).rsplit("/", 1)[-1]
            fields = schemas.get(name, {}).get("properties", {})
            required = schemas.get(name, {}).get("required", [])
            shown.append(
                {
                    "method": method.upper(),
                    "path": path,
                    "about": operation.get("description", ""),
                    "parameters": [
                        {"name": one["name"], "where": one["in"], "required": one.get("required", False)}
                        for one in operation.get("parameters", [])
                    ],
                    "fields": [{"name": field, "required": field in required} for field in fields],
                }
            )
    return shown
