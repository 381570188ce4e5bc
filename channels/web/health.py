"""Is the process alive, and can it serve: two addresses for whoever watches."""

from fastapi import APIRouter
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import JSONResponse

from channels.house import House
from core.migrate import is_current


def router(house: House) -> APIRouter:
    api = APIRouter()

    @api.get("/healthz")
    async def alive() -> dict[str, str]:
        return {"status": "ok"}

    @api.get("/readyz")
    def ready() -> JSONResponse:
        """503 while the database cannot be reached or its schema is not the newest."""
        try:
            current = is_current(house.engine.db)
        except SQLAlchemyError:
            return JSONResponse({"status": "no database"}, status_code=503)
        return JSONResponse({"status": "ok" if current else "old schema"}, status_code=200 if current else 503)

    return api
