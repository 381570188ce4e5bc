"""/metrics: closed without its token, and with it what waits and how requests went, without anything personal."""

from __future__ import annotations

import httpx
import pytest
from pydantic import SecretStr

from channels.house import House
from channels.web.app import create_app
from tests import builders
from tests.channels.conftest import Live

TOKEN = "a-token-of-its-own"


@pytest.fixture
def client(live: Live) -> httpx.AsyncClient:
    settings = live.house.settings.model_copy(update={"metrics_token": SecretStr(TOKEN)})
    app = create_app(House(settings, live.house.engine, live.house.bus))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1:8000")


async def test_it_is_closed_without_its_token(live: Live, client: httpx.AsyncClient) -> None:
    assert live.client().get("/metrics").status_code == 404, "not set up at all"
    for header in ({}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN[:-1]}, {"authorization": "Bearer \u00e9".encode()}):
        assert (await client.get("/metrics", headers=header)).status_code == 404


async def test_it_tells_what_waits_and_how_requests_went(live: Live, client: httpx.AsyncClient) -> None:
    engine = live.house.engine
    builders.products(engine, "kayak")
    builders.buy(engine, "kayak")
    for path in ("/healthz", "/healthz", "/r/nowhere", "/no/such/page"):
        await client.get(path)
    await client.request("BREW", "/healthz")
    answer = await client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    lines = answer.text.splitlines()
    assert 'traveloure_bookings{status="ON_HOLD"} 1.0' in lines
    assert (
        'traveloure_payments{currency="EUR",status="new"} 1.0' in lines or 'traveloure_payments{status="new",currency="EUR"} 1.0' in lines
    )
    assert any(line.startswith('traveloure_jobs{kind="payment.link"') for line in lines)
    assert any(line.startswith("traveloure_jobs_late_seconds ") for line in lines)
    assert 'traveloure_http_requests_total{method="GET",route="/healthz",status="200"} 2.0' in lines
    assert any('route="/r/{link_id}"' in line for line in lines)
    assert any('method="other"' in line for line in lines)
    assert "ana@example.com" not in answer.text
    assert "nowhere" not in answer.text
