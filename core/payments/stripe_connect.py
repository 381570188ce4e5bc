"""The gateway that speaks to Stripe, or to the payment sandbox on the same wire: the only file of core that knows `stripe`.

Importing `stripe` takes about half a second, so only whoever builds a gateway imports this module. The client is the
synchronous one: called on an event loop that also serves the sandbox it would wait for itself.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NoReturn, TypeVar
from urllib.parse import urlsplit

import httpx
import stripe

from core.errors import Refused
from core.payments.gateway import (
    FetchedAccount,
    FetchedDispute,
    FetchedPayment,
    GatewayEvent,
    GatewayMisused,
    GatewayRefused,
    GatewayUnknown,
    Moved,
    Movement,
    PayeeOrder,
    PaymentLink,
    PaymentOrder,
    Refunded,
    TransferOrder,
)

TOLERANCE = 300  # seconds a webhook's signature may be old
OLDEST_TAKEN_BACK = timedelta(days=180)  # reversals are told by their transfer, which may be so much older
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
        if not (made.client_secret if order.embedded else made.url):
            raise GatewayRefused("The payment page came back without an address.", code="no_url", curable=True)
        return PaymentLink(made.id, made.url, made.client_secret)

    def client_secret(self, session_id: str) -> str | None:
        sessions = self._client.v1.checkout.sessions
        return _ask(lambda: sessions.retrieve(session_id)).client_secret

    def fetch_payment(self, session_id: str) -> FetchedPayment:
        sessions = self._client.v1.checkout.sessions
        return _fetched(_ask(lambda: sessions.retrieve(session_id, {"expand": ["payment_intent.latest_charge"]})))

    def expire_link(self, session_id: str) -> FetchedPayment:
        sessions = self._client.v1.checkout.sessions
        try:
            _ask(lambda: sessions.expire(session_id))
        except GatewayMisused:
            raise
        except GatewayRefused:
            pass  # it was paid or over already; the fetch says which
        return self.fetch_payment(session_id)

    def capture(self, session_id: str, *, key: str) -> FetchedPayment:
        intents = self._client.v1.payment_intents
        now_is = self.fetch_payment(session_id)
        intent = now_is.intent_id
        if now_is.state != "authorized" or intent is None:
            return now_is
        try:
            _ask(lambda: intents.capture(intent, {}, {"idempotency_key": key}))
        except GatewayMisused:
            raise
        except GatewayRefused:
            pass  # captured or cancelled by now, or over; the fetch says which
        return self.fetch_payment(session_id)

    def release(self, session_id: str, *, key: str) -> FetchedPayment:
        intents = self._client.v1.payment_intents
        now_is = self.expire_link(session_id)
        intent = now_is.intent_id
        if now_is.state != "authorized" or intent is None:
            return now_is
        try:
            _ask(lambda: intents.cancel(intent, {}, {"idempotency_key": key}))
        except GatewayMisused:
            raise
        except GatewayRefused:
            pass
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

    def refund_has_failed(self, refund_id: str) -> bool:
        refunds = self._client.v1.refunds
        return _ask(lambda: refunds.retrieve(refund_id)).status in ("failed", "canceled")

    def create_account(self, order: PayeeOrder, *, key: str) -> str:
        accounts = self._client.v2.core.accounts
        return str(_ask(lambda: accounts.create(account_params(order, self._app), {"idempotency_key": key})).id)

    def onboarding_link(self, account_id: str, *, return_url: str, refresh_url: str) -> str:
        links = self._client.v2.core.account_links
        onboarding: Any = {"return_url": return_url, "refresh_url": refresh_url}  # no "configurations": refused since 2026-10
        use_case: Any = {"type": "account_onboarding", "account_onboarding": onboarding}
        return str(_ask(lambda: links.create({"account": account_id, "use_case": use_case})).url)

    def fetch_account(self, account_id: str) -> FetchedAccount:
        accounts = self._client.v2.core.accounts
        return _account(_ask(lambda: accounts.retrieve(account_id, {"include": ["configuration.recipient", "requirements"]})))

    def transfer(self, order: TransferOrder, *, key: str, metadata: Mapping[str, str]) -> Moved:
        transfers = self._client.v1.transfers
        params: Any = {
            "amount": order.amount,
            "currency": order.currency.lower(),
            "destination": order.account_id,
            "source_transaction": order.charge_id,
            "transfer_group": order.group,
            "metadata": dict(metadata),
        }
        made = _ask(lambda: transfers.create(params, {"idempotency_key": key}))
        return Moved(made.id, made.amount)

    def reverse(self, transfer_id: str, amount: int, *, key: str, metadata: Mapping[str, str]) -> Moved:
        reversals = self._client.v1.transfers.reversals
        params: Any = {"amount": amount, "metadata": dict(metadata)}
        made = _ask(lambda: reversals.create(transfer_id, params, {"idempotency_key": key}))
        return Moved(made.id, made.amount)

    def fetch_dispute(self, dispute_id: str) -> FetchedDispute:
        disputes = self._client.v1.disputes
        return _dispute(_ask(lambda: disputes.retrieve(dispute_id)))

    def submit_evidence(self, dispute_id: str, evidence: Mapping[str, str], *, key: str) -> FetchedDispute:
        disputes = self._client.v1.disputes
        params: Any = {"evidence": {name: value[:20_000] for name, value in evidence.items() if value}, "submit": True}
        return _dispute(_ask(lambda: disputes.update(dispute_id, params, {"idempotency_key": key})))

    def find(self, kind: Literal["refund", "transfer", "reversal"], of: str, key: str) -> Moved | None:
        v1 = self._client.v1
        match kind:
            case "refund":
                made = self._ours(lambda: v1.refunds.list({"charge": of, "limit": 100}))
            case "transfer":
                made = self._ours(lambda: v1.transfers.list({"transfer_group": of, "limit": 100}))
            case "reversal":
                made = self._ours(lambda: v1.transfers.reversals.list(of, {"limit": 100}))
        alive = (one for one in made if getattr(one, "status", "succeeded") not in ("failed", "canceled"))
        return next((Moved(one.id, one.amount) for one in alive if one.metadata and one.metadata.to_dict().get("key") == key), None)

    def disputes(self, since: datetime) -> Iterator[FetchedDispute]:
        v1 = self._client.v1
        return iter([_dispute(one) for one in _ask(lambda: list(v1.disputes.list(_since(since)).auto_paging_iter()))])

    def failed_refunds(self, since: datetime) -> Iterator[str]:
        v1 = self._client.v1
        return iter([str(one.id) for one in self._ours(lambda: v1.refunds.list(_since(since))) if one.status in ("failed", "canceled")])

    def movements(self, since: datetime) -> Iterator[Movement]:
        since_then = _since(since)
        v1 = self._client.v1
        for charge in self._ours(lambda: v1.charges.list(since_then)):
            if charge.captured and charge.paid:
                yield _movement("charge", charge.id, charge.amount_captured, charge, charge.id)
        for refund in self._ours(lambda: v1.refunds.list(since_then)):
            if refund.status not in ("failed", "canceled"):
                yield _movement("refund", refund.id, refund.amount, refund, _id(refund.charge))
        for transfer in self._ours(lambda: v1.transfers.list(_since(since - OLDEST_TAKEN_BACK))):
            source = _id(transfer.source_transaction)
            if transfer.created >= int(since.timestamp()):
                yield _movement("transfer", transfer.id, transfer.amount, transfer, source)
            for reversal in self._reversals(transfer):
                if reversal.created >= int(since.timestamp()):
                    yield _movement("reversal", reversal.id, reversal.amount, reversal, source)

    def _reversals(self, transfer: Any) -> list[Any]:
        """All of a transfer's reversals; Stripe puts only the ten newest into it."""
        if not transfer.reversals.has_more and len(transfer.reversals.data) < 10:
            return list(transfer.reversals.data)
        found = self._client.v1.transfers.reversals
        return _ask(lambda: list(found.list(transfer.id, {"limit": 100}).auto_paging_iter()))

    def _ours(self, first_page: Callable[[], Any]) -> list[Any]:
        """Everything on every page that carries our name."""
        found = _ask(lambda: list(first_page().auto_paging_iter()))
        return [one for one in found if (one.metadata.to_dict() if one.metadata else {}).get("app", self._app) == self._app]

    def read_event(self, body: bytes, signature: str) -> GatewayEvent:
        if not signature.isascii():  # comparing it would raise TypeError inside the library
            raise Refused("The webhook's signature does not fit.")
        if b'"v2.core.event"' in body:
            return self._thin(body, signature)
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

    def _thin(self, body: bytes, signature: str) -> GatewayEvent:
        """An event of the second API: it names its object and carries nothing of it."""
        for secret in self._secrets:
            try:
                note: Any = self._client.parse_event_notification(body, signature, secret)
            except stripe.SignatureVerificationError:
                continue
            except (ValueError, AttributeError, TypeError, KeyError) as error:
                raise Refused("The webhook's body could not be read.") from error
            related = getattr(note, "related_object", None)
            return GatewayEvent(
                id=str(note.id),
                type=str(note.type),
                object_id=str(getattr(related, "id", "") or ""),
                object_kind=str(getattr(related, "type", "") or ""),
                ours=bool(getattr(note, "livemode", False)) == self._live,
            )
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
    if order.manual:
        params["payment_intent_data"]["capture_method"] = "manual"
        params["payment_method_options"] = {"card": {"request_extended_authorization": "if_available"}}
    if order.embedded:
        del params["success_url"], params["cancel_url"]
        params |= {"ui_mode": "embedded_page", "return_url": order.success_url}
    if order.customer_email:
        params["customer_email"] = order.customer_email
    return params


def account_params(order: PayeeOrder, app: str) -> Any:
    """Stripe's words for somebody who only receives: the platform collects the fees and carries the losses."""
    return {
        "display_name": order.name,
        "contact_email": order.email,
        "identity": {"country": order.country.lower()},
        "dashboard": "express",
        "configuration": {"recipient": {"capabilities": {"stripe_balance": {"stripe_transfers": {"requested": True}}}}},
        "defaults": {
            "currency": order.currency.lower(),
            "responsibilities": {"fees_collector": "application", "losses_collector": "application"},
        },
        "include": ["configuration.recipient", "requirements"],
        "metadata": {"party": order.party, "party_id": order.party_id, "app": app},
    }


def _account(found: Any) -> FetchedAccount:
    """Only `active` may be sent money; what Stripe does not know yet counts as pending."""
    recipient = getattr(found.configuration, "recipient", None) if found.configuration else None
    balance = getattr(recipient.capabilities, "stripe_balance", None) if recipient and recipient.capabilities else None
    capability = getattr(balance, "stripe_transfers", None)
    status = str(getattr(capability, "status", "pending"))
    states: dict[str, Literal["pending", "active", "restricted", "rejected"]] = {
        "active": "active",
        "restricted": "restricted",
        "rejected": "rejected",
        "unsupported": "rejected",
    }
    entries = getattr(found.requirements, "entries", None) if found.requirements else None
    needs = tuple(str(getattr(entry, "description", "")) for entry in entries or ())
    codes = tuple(str(detail.code) for detail in getattr(capability, "status_details", None) or ())
    return FetchedAccount(str(found.id), states.get(status, "pending"), tuple(filter(None, needs or codes)))


def _dispute(found: stripe.Dispute) -> FetchedDispute:
    moved = sum(entry.amount for entry in found.balance_transactions)
    due = found.evidence_details.due_by if found.evidence_details else None
    return FetchedDispute(
        dispute_id=found.id,
        charge_id=_id(found.charge) or "",
        amount=found.amount,
        currency=found.currency,
        status=str(found.status),
        reason=str(found.reason),
        withdrawn=moved < 0,
        due_by=None if due is None else datetime.fromtimestamp(due, UTC),
    )


def _since(moment: datetime) -> Any:
    return {"created": {"gte": int(moment.timestamp())}, "limit": 100}


def _movement(kind: Literal["charge", "refund", "transfer", "reversal"], id: str, amount: int, of: Any, charge_id: str | None) -> Movement:
    return Movement(kind, id, amount, str(of.currency).upper(), datetime.fromtimestamp(of.created, UTC), charge_id)


def _fetched(session: stripe.checkout.Session) -> FetchedPayment:
    state: Literal["open", "authorized", "paid", "expired"] = "open"
    intent = session.payment_intent
    charge = None if intent is None or isinstance(intent, str) else intent.latest_charge
    reserved = None if intent is None or isinstance(intent, str) else intent.status  # what became of money that was only reserved
    if session.payment_status == "paid" or (session.status == "complete" and reserved == "succeeded"):
        state = "paid"
    elif session.status == "expired" or (session.status == "complete" and reserved == "canceled"):
        state = "expired"
    elif session.status == "complete" and reserved == "requires_capture":
        state = "authorized"
    return FetchedPayment(
        session_id=session.id,
        state=state,
        amount=session.amount_total or 0,
        currency=session.currency or "",
        intent_id=_id(intent),
        charge_id=_id(charge),
        capture_by=_capture_by(charge) if state == "authorized" else None,
    )


def _capture_by(charge: Any) -> datetime | None:
    """Until when a reserved charge can be captured, as its card says."""
    details = None if charge is None or isinstance(charge, str) else charge.payment_method_details
    before = None if details is None else getattr(details.card, "capture_before", None)  # only there while it is reserved
    return None if before is None else datetime.fromtimestamp(int(before), UTC)


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
