"""Who takes what of a line: the platform from the provider's part, the expert as a line of their own."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select

from core.money import percent
from core.schema import fee_rule
from core.settings import Rules


def rule_for(tx: Connection, party: str, *, provider_id: str, kind: str) -> Row[Any] | None:
    """The rule that counts: the provider's own, else the category's, else the global one."""
    rows = {(row.scope, row.scope_id): row for row in tx.execute(select(fee_rule).where(fee_rule.c.party == party))}
    return rows.get(("PROVIDER", provider_id)) or rows.get(("CATEGORY", kind)) or rows.get(("GLOBAL", ""))


def fee_of(rule: Row[Any] | None, base: int, default_bps: int = 0) -> int:
    """Minor units, clamped to the rule's min and max and never above what it is taken from."""
    if base <= 0:
        return 0
    if rule is None:
        return percent(base, default_bps)
    amount = (rule.amount or 0) + percent(base, rule.bps)
    if rule.max_amount is not None:
        amount = min(amount, rule.max_amount)
    if rule.min_amount is not None:
        amount = max(amount, rule.min_amount)
    return max(0, min(amount, base))


def platform_fee(tx: Connection, rules: Rules, *, provider_id: str, kind: str, amount: int, tax: int) -> int:
    """From the price after discounts and before taxes; taxes go to the provider whole."""
    return fee_of(rule_for(tx, "PLATFORM", provider_id=provider_id, kind=kind), amount - tax, rules.platform_fee_bps)


def expert_fee(tx: Connection, *, arranged: int) -> int:
    """Paid by the traveler on top of the lines an expert arranged; nothing where no rule is set."""
    return fee_of(rule_for(tx, "EXPERT", provider_id="", kind=""), arranged)
