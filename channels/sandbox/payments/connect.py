"""Connected accounts and what moves to and from them: onboarding, transfers, reversals, disputes.

An account's balance is kept beside it and really moves, so a reversal is refused once the account's bank has taken the money.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from channels.sandbox.payments.acts import Act
from channels.sandbox.payments.checkout import check_metadata
from channels.sandbox.payments.errors import No, not_built
from channels.sandbox.payments.shapes import checked, skeleton
from core.money import Money

LINK_LIFE = 300  # seconds until an onboarding link has to be opened
PAGE_LIFE = 3600  # seconds the page it opens stays usable
EVIDENCE_DAYS = 14
CAPABILITY = "v2.core.account[configuration.recipient].capability_status_updated"
TRANSFER_PARAMS = frozenset(
    ["amount", "currency", "destination", "source_transaction", "transfer_group", "metadata", "description", "expand"]
)
WINNING, LOSING = "winning_evidence", "losing_evidence"  # as in Stripe's own test environment


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# ── accounts ──────────────────────────────────────────────────────────────────────────────────────


def create_account(act: Act, params: Mapping[str, Any]) -> dict[str, Any]:
    """An account that can only receive, restricted until somebody has walked through its onboarding page."""
    for name in params:
        if name not in ("display_name", "contact_email", "identity", "dashboard", "configuration", "defaults", "include", "metadata"):
            raise not_built(name)
    asked = params.get("configuration", {})
    if set(asked) != {"recipient"}:
        raise not_built("configuration")
    balance = asked["recipient"].get("capabilities", {}).get("stripe_balance", {})
    if not balance.get("stripe_transfers", {}).get("requested"):
        raise not_built("configuration.recipient.capabilities")
    country = (params.get("identity") or {}).get("country")
    if not country:
        raise No("Missing required param: identity.country.", code="parameter_missing", param="identity.country")
    if not params.get("contact_email"):
        raise No("Missing required param: contact_email.", code="parameter_missing", param="contact_email")
    check_metadata(params.get("metadata"), "metadata")
    account = act.new(
        "v2.core.account",
        "acct_",
        applied_configurations=["recipient"],
        contact_email=params["contact_email"],
        display_name=params.get("display_name"),
        dashboard=params.get("dashboard"),
        metadata=dict(params.get("metadata") or {}),
        configuration={"customer": None, "merchant": None, "recipient": {"applied": True, "capabilities": _capabilities("restricted")}},
        requirements=_requirements(open_=True),
    )
    account["created"] = _moment(act.now)
    act.keep(account, {"balance": {}})
    return _shown(account, params)


def _capabilities(status: str) -> dict[str, Any]:
    details = [] if status == "active" else [{"code": "requirements_past_due", "resolution": "provide_info"}]
    transfers = {"status": status, "status_details": details}
    return {"bank_accounts": None, "cards": None, "stripe_balance": {"payouts": None, "stripe_transfers": transfers}}


def _requirements(*, open_: bool) -> dict[str, Any]:
    entry = {
        "awaiting_action_from": "user",
        "description": "Who you are and your bank account",
        "errors": [],
        "impact": {"restricts_capabilities": None},
        "minimum_deadline": {"status": "past_due"},
        "reference": None,
        "requested_reasons": [{"code": "routine_onboarding"}],
    }
    return {"alternatives": None, "entries": [entry] if open_ else [], "summary": None}


def _shown(account: dict[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Only what was asked for by `include`, as the second API does it."""
    include = set(params.get("include") or ())
    shown = dict(account)
    if "configuration.recipient" not in include:
        shown["configuration"] = None
    if "requirements" not in include:
        shown["requirements"] = None
    return shown


def retrieve_account(act: Act, params: Mapping[str, Any], account_id: str) -> dict[str, Any]:
    return _shown(act.get("v2.core.account", account_id), params)


def state_of(account: Mapping[str, Any]) -> str:
    return str(account["configuration"]["recipient"]["capabilities"]["stripe_balance"]["stripe_transfers"]["status"])


def set_state(act: Act, account_id: str, status: str) -> None:
    """What onboarding, or a look of the gateway's own people, makes of an account; told by a thin event."""
    account = act.get("v2.core.account", account_id)
    account["configuration"]["recipient"]["capabilities"] = _capabilities(status)
    account["requirements"] = _requirements(open_=status != "active")
    act.keep(account)
    act.announce_thin(CAPABILITY, account)


def create_link(act: Act, params: Mapping[str, Any]) -> dict[str, Any]:
    """The address of an onboarding page: opened once, within five minutes."""
    act.get("v2.core.account", params["account"], "account")
    case = params["use_case"]
    if case.get("type") != "account_onboarding" or "account_onboarding" not in case:
        raise not_built("use_case.type")
    wanted = case["account_onboarding"]
    token = f"alnk_{secrets.token_urlsafe(24).replace('-', 'x').replace('_', 'y')}"
    kept = {
        "id": token,
        "object": "onboarding",
        "created": act.second,
        "account": params["account"],
        "return_url": wanted.get("return_url") or wanted["refresh_url"],
        "refresh_url": wanted["refresh_url"],
        "opened_at": None,
    }
    act.store.put(kept)
    link = skeleton("v2.core.account_link")
    link.update(
        account=params["account"], created=_moment(act.now), expires_at=_moment(act.now + LINK_LIFE), url=f"{act.base}/onboard/{token}"
    )
    link["use_case"]["type"] = "account_onboarding"
    return checked(link)


def open_link(act: Act, token: str) -> dict[str, Any] | None:
    """The first visit of an onboarding link; None where it was opened before or its time is over."""
    link = act.store.get(token)
    if link is None or link["object"] != "onboarding":
        return None
    if link["opened_at"] is not None or act.second > link["created"] + LINK_LIFE:
        return {**link, "over": True}
    link["opened_at"] = act.second
    act.store.put(link)
    return {**link, "over": False}


def opened_link(act: Act, token: str) -> dict[str, Any] | None:
    """A page that is being filled in."""
    link = act.store.get(token)
    if link is None or link["object"] != "onboarding" or link["opened_at"] is None or act.second > link["opened_at"] + PAGE_LIFE:
        return None
    return dict(link)


def balance_of(act: Act, account_id: str) -> dict[str, int]:
    found: dict[str, int] = act.store.aside(account_id).get("balance", {})
    return found


def _move(act: Act, account_id: str, currency: str, amount: int) -> None:
    account = act.get("v2.core.account", account_id)
    balance = balance_of(act, account_id)
    balance[currency] = balance.get(currency, 0) + amount
    act.keep(account, {**act.store.aside(account_id), "balance": balance})


def pay_out(act: Act, account_id: str) -> None:
    """The account's own bank takes everything it holds."""
    account = act.get("v2.core.account", account_id)
    act.keep(account, {**act.store.aside(account_id), "balance": {}})


# ── transfers ─────────────────────────────────────────────────────────────────────────────────────


def create_transfer(act: Act, params: Mapping[str, Any]) -> dict[str, Any]:
    """Part of a charge to an account. Raises No for an account that cannot receive and above what is left of the charge."""
    for name in params:
        if name not in TRANSFER_PARAMS:
            raise not_built(name)
    check_metadata(params.get("metadata"), "metadata")
    if "source_transaction" not in params:
        raise not_built("source_transaction")
    amount = int(params.get("amount", 0))
    if amount < 1:
        raise No("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    account = act.get("v2.core.account", params["destination"], "destination")
    if state_of(account) != "active":
        raise No(
            "Your destination account needs to have at least one of the following capabilities enabled: transfers.",
            code="insufficient_capabilities_for_transfer",
        )
    charge = act.get("charge", params["source_transaction"], "source_transaction")
    if charge["currency"] != params["currency"].lower():
        raise No("The currency of source_transaction's balance transaction must be the transfer's.", param="currency")
    if not charge["paid"]:
        raise No("The source_transaction was not paid.", param="source_transaction")
    sent = sum(
        one["amount"] - one["amount_reversed"] for one in act.store.find("transfer", {"source_transaction": charge["id"]}, {}, limit=1000)
    )
    left = charge["amount_captured"] - sent
    if amount > left:
        asked, rest = (Money(value, charge["currency"].upper()).text() for value in (amount, left))
        raise No(
            f"The sum of transfers ({asked} more) would exceed the charge; {rest} is left of it.",
            code="transfer_source_balance_parameters_mismatch",
            param="amount",
        )
    transfer = act.new(
        "transfer",
        "tr_",
        amount=amount,
        currency=charge["currency"],
        destination=account["id"],
        source_transaction=charge["id"],
        transfer_group=params.get("transfer_group") or charge["transfer_group"],
        metadata=dict(params.get("metadata", {})),
        description=params.get("description"),
    )
    transfer["reversals"]["url"] = f"/v1/transfers/{transfer['id']}/reversals"
    act.keep(transfer)
    _move(act, account["id"], charge["currency"], amount)
    act.announce("transfer.created", transfer)
    return transfer


def reverse(act: Act, params: Mapping[str, Any], transfer_id: str) -> dict[str, Any]:
    """Take part of a transfer back. Raises No above what is left of it, and where the account holds too little."""
    for name in params:
        if name not in ("amount", "metadata", "description", "expand"):
            raise not_built(name)
    check_metadata(params.get("metadata"), "metadata")
    transfer = act.get("transfer", transfer_id)
    left = transfer["amount"] - transfer["amount_reversed"]
    amount = int(params["amount"]) if "amount" in params else left
    if amount < 1:
        raise No("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    if amount > left:
        raise No("The reversal is greater than what is left of the transfer.", code="amount_too_large", param="amount")
    held = balance_of(act, transfer["destination"]).get(transfer["currency"], 0)
    if held < amount:
        raise No("The destination account holds too little for this reversal.", code="balance_insufficient", param="amount")
    made = act.new(
        "transfer_reversal",
        "trr_",
        amount=amount,
        currency=transfer["currency"],
        transfer=transfer_id,
        metadata=dict(params.get("metadata", {})),
    )
    act.keep(made)
    transfer["amount_reversed"] += amount
    transfer["reversed"] = transfer["amount_reversed"] == transfer["amount"]
    transfer["reversals"]["data"] = [made, *transfer["reversals"]["data"]][:10]
    act.announce("transfer.reversed", act.keep(transfer))
    _move(act, transfer["destination"], transfer["currency"], -amount)
    return made


def reversals(act: Act, params: Mapping[str, Any], transfer_id: str) -> dict[str, Any]:
    """The reversals of a transfer, the newest first, on one page."""
    for name in params:
        if name not in ("limit", "expand"):
            raise not_built(name)
    limit = int(params.get("limit", 10))
    act.get("transfer", transfer_id)
    found = act.store.find("transfer_reversal", {"transfer": transfer_id}, {}, limit=limit + 1)
    return {"object": "list", "url": f"/v1/transfers/{transfer_id}/reversals", "has_more": len(found) > limit, "data": found[:limit]}


# ── disputes ──────────────────────────────────────────────────────────────────────────────────────


def open_dispute(act: Act, charge_id: str, reason: str = "fraudulent") -> dict[str, Any]:
    """The traveler's bank takes the whole charge back, for now."""
    charge = act.get("charge", charge_id)
    amount = charge["amount_captured"] - charge["amount_refunded"]
    if charge["disputed"] or amount <= 0:
        raise No("This charge cannot be disputed (again).")
    dispute = act.new(
        "dispute",
        "dp_",
        amount=amount,
        currency=charge["currency"],
        charge=charge_id,
        payment_intent=charge["payment_intent"],
        metadata={},
        reason=reason,
        status="needs_response",
        balance_transactions=[_entry(act, -amount, charge["currency"])],
    )
    dispute["evidence_details"]["due_by"] = act.second + EVIDENCE_DAYS * 86_400
    act.keep(dispute)
    charge["disputed"] = True
    act.keep(charge)
    act.announce("charge.dispute.created", dispute)
    act.announce("charge.dispute.funds_withdrawn", dispute)
    return dispute


def _entry(act: Act, amount: int, currency: str) -> dict[str, Any]:
    return act.new(
        "balance_transaction",
        "txn_",
        amount=amount,
        net=amount,
        currency=currency,
        balance_type="payments",
        reporting_category="dispute" if amount < 0 else "dispute_reversal",
        status="available",
        type="adjustment",
    )


def update_dispute(act: Act, params: Mapping[str, Any], dispute_id: str) -> dict[str, Any]:
    """Evidence; with `submit` it goes to the bank. Stripe's words for a test: winning_evidence and losing_evidence decide at once."""
    for name in params:
        if name not in ("evidence", "submit", "metadata", "expand"):
            raise not_built(name)
    dispute = act.get("dispute", dispute_id)
    if dispute["status"] not in ("needs_response", "under_review"):
        raise No("This dispute is already closed.", code="dispute_closed")
    if dispute["evidence_details"]["submission_count"]:
        raise No("Evidence was submitted already.", code="evidence_already_submitted")
    given = {name: value for name, value in (params.get("evidence") or {}).items() if name != "enhanced_evidence"}
    dispute["evidence"].update(given)
    dispute["evidence_details"]["has_evidence"] = any(dispute["evidence"].get(name) for name in given)
    if str(params.get("submit", "false")).lower() == "true":
        dispute["status"] = "under_review"
        dispute["evidence_details"]["submission_count"] = 1
    act.announce("charge.dispute.updated", act.keep(dispute))
    text = str(dispute["evidence"].get("uncategorized_text") or "")
    if dispute["status"] == "under_review" and text in (WINNING, LOSING):
        close_dispute(act, dispute_id, won=text == WINNING)
    return act.get("dispute", dispute_id)


def close_dispute(act: Act, dispute_id: str, *, won: bool) -> None:
    dispute = act.get("dispute", dispute_id)
    if dispute["status"] not in ("needs_response", "under_review"):
        return
    dispute["status"] = "won" if won else "lost"
    if won:
        dispute["balance_transactions"].append(_entry(act, dispute["amount"], dispute["currency"]))
    act.keep(dispute)
    if won:
        charge = act.get("charge", dispute["charge"])
        charge["disputed"] = False
        act.keep(charge)
        act.announce("charge.dispute.funds_reinstated", dispute)
    act.announce("charge.dispute.closed", dispute)


def fail_refund(act: Act, refund_id: str) -> None:
    """The bank sends a refund back, days later."""
    refund = act.get("refund", refund_id)
    if refund["status"] != "succeeded":
        return
    refund.update(status="failed", failure_reason="expired_or_canceled_card")
    act.keep(refund)
    charge = act.get("charge", refund["charge"])
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    act.keep(charge)
    act.announce("refund.failed", refund)
