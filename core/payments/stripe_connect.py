"""The gateway that speaks to Stripe, or to the payment sandbox on the same wire: the only file of core that knows `stripe`.

Importing `stripe` takes about half a second, so only whoever builds a gateway imports this module. The client is the
synchronous one: called on an event loop that also serves the sandbox it would wait for itself.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NoReturn, TypeVar
from urllib.parse import urlsplit

import httpx
import stripe

from core.errors import Refused
from core.payments.gateway import (
    FetchedPayment,
    GatewayEvent,
    GatewayMisused,
    GatewayRefused,
    GatewayUnknown,
    PaymentLink,
    PaymentOrder,
    Refunded,
)

TOLERANCE = 300  # seconds a webhook's signature may be old
CURABLE = frozenset(["balance_insufficient", "insufficient_capabilities_for_transfer", "charge_disputed"])
CURABLE_PARAMS = frozenset(["expires_at"])  # frozen too long ago: the next attempt carries a fresh one

Answer = TypeVar("Answer")


class _Wire(stripe.HTTPClient):
    """One connection pool for all worker threads. Calls to this machine pass by any proxy the environment names."""

    name = "httpx"

    def __init__(self, timeout: float, *, local: bool) -> None:
        super().__init__()
        self._http = httpx.Client(timeout=timeout, trust_env=not local)

    def request(  # type: ignore[override]
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        try:
            answer = self._http.request(method.upper(), url, headers=headers, content=post_data)
        except httpx.HTTPError as error:
            raise stripe.APIConnectionError(f"No answer: {type(error).__name__}", should_retry=True) from error  # type: ignore[no-untyped-call]
        return answer.content, answer.status_code, answer.headers

    def close(self) -> None:
        self._http.close()


class StripeGateway:
    """core.payments.gateway.Gateway over Stripe's API.

    `api_base` None means Stripe itself. `webhook_secrets` are tried in turn, one for each endpoint that may call us.
    `retries` are quick repeats of one call under its own key; across a crash the caller repeats it with the same key.
    """

    def __init__(
        self,
        *,
        secret_key: str,
        webhook_secrets: str | Sequence[str],
        api_base: str | None = None,
        timeout: float = 20.0,
        app: str = "traveloure",
        retries: int = 1,
    ) -> None:
        stripe.enable_telemetry = False  # it would keep an id in the user's home and report our timings
        self._secrets = (webhook_secrets,) if isinstance(webhook_secrets, str) else tuple(webhook_secrets)
        self._app = app
        self._live = secret_key.startswith(("sk_live_", "rk_live_"))
        self._wire = _Wire(timeout, local=api_base is not None and _is_local(api_base))
        self._client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base.rstrip("/")} if api_base else None,
            http_client=self._wire,
            max_network_retries=retries,
        )

    def close(self) -> None:
        self._wire.close()

    def payment_link(self, order: PaymentOrder, *, key: str) -> PaymentLink:
        sessions = self._client.v1.checkout.sessions
        made = _ask(lambda: sessions.create(checkout_params(order), {"idempotency_key": key}))
        if not made.url:
            raise GatewayRefused("The payment page came back without an address.", code="no_url", curable=True)
        return PaymentLink(made.id, made.url)

    def fetch_payment(self, session_id: str) -> FetchedPayment:
        sessions = self._client.v1.checkout.sessions
        return _fetched(_ask(lambda: sessions.retrieve(session_id, {"expand": ["payment_intent"]})))

    def expire_link(self, session_id: str) -> FetchedPayment:
        sessions = self._client.v1.checkout.sessions
        try:
            _ask(lambda: sessions.expire(session_id))
        except GatewayMisused:
            raise
        except GatewayRefused:
            pass  # it was paid or over already; the fetch says which
        return self.fetch_payment(session_id)

    def refund(self, charge_id: str, amount: int, currency: str, *, key: str, metadata: Mapping[str, str]) -> Refunded:
        """The charge knows its currency: Stripe takes none here."""
        refunds = self._client.v1.refunds
        done = _ask(
            lambda: refunds.create({"charge": charge_id, "amount": amount, "metadata": dict(metadata)}, {"idempotency_key": key}),
        )
        if done.status in ("failed", "canceled"):
            raise GatewayRefused("The bank did not take the refund.", code=f"refund_{done.status}", curable=True)
        return Refunded(done.id, done.amount)

    def read_event(self, body: bytes, signature: str) -> GatewayEvent:
        if not signature.isascii():  # comparing it would raise TypeError inside the library
            raise Refused("The webhook's signature does not fit.")
        event = self._verified(body, signature)
        try:
            return self._event(event.to_dict())
        except (AttributeError, KeyError, TypeError) as error:
            raise Refused("The webhook's body could not be read.") from error

    def _verified(self, body: bytes, signature: str) -> stripe.Event:
        for secret in self._secrets:
            try:
                return self._client.construct_event(body, signature, secret, TOLERANCE)
            except stripe.SignatureVerificationError:
                continue
            except (ValueError, AttributeError, TypeError) as error:  # not JSON, or JSON that is no event
                raise Refused("The webhook's body could not be read.") from error
        raise Refused("The webhook's signature does not fit, or it is too old.")

    def _event(self, event: dict[str, Any]) -> GatewayEvent:
        subject = event["data"]["object"]
        metadata = subject.get("metadata") or {}
        return GatewayEvent(
            id=str(event["id"]),
            type=str(event["type"]),
            object_id=str(subject.get("id") or ""),
            object_kind=str(subject.get("object") or ""),
            payment_id=metadata.get("payment") or subject.get("client_reference_id"),
            account=event.get("account"),
            ours=bool(event.get("livemode")) == self._live and metadata.get("app", self._app) == self._app,
        )


def checkout_params(order: PaymentOrder) -> Any:
    """Stripe's words for an order; every value is the order's own, so a repeat sends the very same bytes."""
    metadata = dict(order.metadata)
    params: dict[str, Any] = {
        "mode": "payment",
        "client_reference_id": order.payment_id,
        "metadata": metadata,
        "success_url": order.success_url,
        "cancel_url": order.cancel_url,
        "expires_at": int(order.expires_at.timestamp()),
        "allowed_payment_method_types": ["card"],
        "line_items": [
            {
                "quantity": line.quantity,
                "price_data": {
                    "currency": order.currency.lower(),
                    "unit_amount": line.unit_amount,
                    "product_data": {"name": line.name},
                },
            }
            for line in order.lines
        ],
        "payment_intent_data": {"transfer_group": order.payment_id, "metadata": metadata},
    }
    if order.customer_email:
        params["customer_email"] = order.customer_email
    return params


def _fetched(session: stripe.checkout.Session) -> FetchedPayment:
    state: Literal["open", "paid", "expired"] = "open"
    if session.payment_status == "paid":
        state = "paid"
    elif session.status == "expired":
        state = "expired"
    intent = session.payment_intent
    charge = None if intent is None or isinstance(intent, str) else intent.latest_charge
    return FetchedPayment(
        session_id=session.id,
        state=state,
        amount=session.amount_total or 0,
        currency=session.currency or "",
        intent_id=_id(intent),
        charge_id=_id(charge),
    )


def _id(value: Any) -> str | None:
    """Stripe hands out an id or, expanded, the object."""
    return value if value is None or isinstance(value, str) else str(value.id)


def _ask(call: Callable[[], Answer]) -> Answer:
    """Run one call and say in our words what became of it. Raises GatewayRefused, GatewayMisused, GatewayUnknown."""
    try:
        return call()
    except stripe.StripeError as error:
        _translate(error)


def _translate(error: stripe.StripeError) -> NoReturn:
    code = str(error.code or "")
    message = error.user_message or "The payment service said no."
    match error:
        case stripe.IdempotencyError():
            raise GatewayMisused(message, code="idempotency_error") from error
        case stripe.AuthenticationError():
            raise GatewayMisused("The payment service does not know our key.", code="authentication") from error
        case stripe.PermissionError():
            raise GatewayMisused("Our key may not do this at the payment service.", code="permission") from error
        case stripe.InvalidRequestError():
            curable = code in CURABLE or error.param in CURABLE_PARAMS
            raise GatewayRefused(message, code=code or error.param or "invalid_request", curable=curable) from error
        case stripe.CardError():
            raise GatewayRefused(message, code=code or "card_error", curable=True) from error
        case _:  # no answer, 409, 429, 5xx and whatever else: nobody knows
            raise GatewayUnknown("The payment service did not give a clear answer.", gateway_code=code) from error


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
