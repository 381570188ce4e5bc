"""Stripe's own classes as the measure of every object the sandbox stores: a skeleton to start from, a check before keeping.

The annotations in the installed `stripe` package are generated from Stripe's specification at exactly the version the
package speaks. Reading them keeps the sandbox and the library from drifting apart.
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import stripe

RESOURCES: dict[str, type[Any]] = {
    "checkout.session": stripe.checkout.Session,
    "payment_intent": stripe.PaymentIntent,
    "charge": stripe.Charge,
    "refund": stripe.Refund,
    "item": stripe.LineItem,
    "price": stripe.Price,
    "event": stripe.Event,
    "transfer": stripe.Transfer,
    "transfer_reversal": stripe.TransferReversal,
    "dispute": stripe.Dispute,
    "balance_transaction": stripe.BalanceTransaction,
    "v2.core.account": stripe.v2.core.Account,
    "v2.core.account_link": stripe.v2.core.AccountLink,
}

SCALARS: dict[str, Any] = {"str": "", "int": 0, "float": 0, "bool": False, "Decimal": 0, "Any": None}


class _Shape:
    """The fields of one class and the classes nested in it, read from its source."""

    def __init__(self, node: ast.ClassDef, outer: _Shape | None = None) -> None:
        self.name = node.name
        self.outer = outer
        self.inner = {part.name: _Shape(part, self) for part in node.body if isinstance(part, ast.ClassDef)}
        self.fields = dict(self._own_fields(node))

    @staticmethod
    def _own_fields(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
        for part in node.body:
            if not isinstance(part, ast.AnnAssign) or not isinstance(part.target, ast.Name):
                continue
            if part.target.id.startswith("_") or "ClassVar" in ast.unparse(part.annotation):
                continue
            yield part.target.id.rstrip("_"), _unquoted(part.annotation)

    def find(self, name: str) -> _Shape | None:
        """A nested class by name, from the innermost scope outwards."""
        scope: _Shape | None = self
        while scope is not None:
            if name in scope.inner:
                return scope.inner[name]
            scope = scope.outer
        return None


def _unquoted(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _unquoted(ast.parse(node.value, mode="eval").body)
    return node


def _parts(node: ast.expr) -> tuple[str, list[ast.expr]]:
    """(head, arguments) of an annotation: ("Optional", [int]), ("str", [])."""
    node = _unquoted(node)
    if isinstance(node, ast.BinOp):
        return "Union", [node.left, node.right]
    if isinstance(node, ast.Subscript):
        inner = node.slice
        return ast.unparse(node.value).split(".")[-1], list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]
    return ast.unparse(node).split(".")[-1], []


@cache
def _shape(kind: str) -> _Shape:
    source = textwrap.dedent(inspect.getsource(RESOURCES[kind]))
    node = ast.parse(source).body[0]
    if not isinstance(node, ast.ClassDef):
        raise TypeError(f"{kind} is not described by a class")
    return _Shape(node)


def skeleton(kind: str) -> dict[str, Any]:
    """A whole object of this kind with every field at its emptiest value."""
    made: dict[str, Any] = json.loads(_skeleton_text(kind))
    return made


@cache
def _skeleton_text(kind: str) -> str:
    return json.dumps(_empty_object(_shape(kind)))


def _empty_object(shape: _Shape) -> dict[str, Any]:
    return {name: _empty(annotation, shape) for name, annotation in shape.fields.items()}


def _empty(annotation: ast.expr, shape: _Shape) -> Any:
    head, inside = _parts(annotation)
    match head:
        case "Optional" | "ExpandableField":
            return None
        case "Literal":
            return ast.literal_eval(inside[0])
        case "Union":
            return _empty(inside[0], shape)
        case "List" | "list":
            return []
        case "ListObject":
            return {"object": "list", "data": [], "has_more": False, "url": ""}
        case "Dict" | "dict" | "UntypedStripeObject" | "Mapping":
            return {}
    if head in SCALARS:
        return SCALARS[head]
    nested = shape.find(head)
    return _empty_object(nested) if nested is not None else {}


class Misshapen(AssertionError):
    """The sandbox was about to store an object that Stripe's library would not know; a bug of ours."""


def checked(value: dict[str, Any]) -> dict[str, Any]:
    """The object itself. Raises Misshapen naming everything that does not fit its class."""
    wrong = problems(value)
    if wrong:
        raise Misshapen("; ".join(wrong))
    return value


def problems(value: Mapping[str, Any]) -> list[str]:
    kind = str(value.get("object"))
    if kind not in RESOURCES:
        return [f"object: {kind!r} is no resource of the sandbox"]
    return list(_object_problems(value, _shape(kind), kind))


def _object_problems(value: Mapping[str, Any], shape: _Shape, path: str) -> Iterator[str]:
    for name in value:
        if name not in shape.fields:
            yield f"{path}.{name}: no such field"
    for name, annotation in shape.fields.items():
        head, _ = _parts(annotation)
        if name not in value:
            if head not in ("Optional", "NotRequired"):
                yield f"{path}.{name}: missing"
        else:
            yield from _value_problems(value[name], annotation, shape, f"{path}.{name}")


def _value_problems(value: Any, annotation: ast.expr, shape: _Shape, path: str) -> Iterator[str]:
    head, inside = _parts(annotation)
    match head:
        case "Optional":
            if value is not None:
                yield from _value_problems(value, inside[0], shape, path)
        case "ExpandableField":
            if not isinstance(value, (str, dict)):
                yield f"{path}: neither an id nor an object"
        case "Literal":
            allowed = [ast.literal_eval(one) for one in inside]
            if value not in allowed:
                yield f"{path}: {value!r} is not one of {allowed}"
        case "Union":
            closed = [one for one in inside if _parts(one)[0] == "Literal"]
            members = closed if closed and isinstance(value, str) else inside  # Literal | str is an open enum: hold it closed
            if not any(not list(_value_problems(value, one, shape, path)) for one in members):
                yield f"{path}: {value!r} fits none of the alternatives"
        case "List" | "list":
            if not isinstance(value, list):
                yield f"{path}: not a list"
            else:
                for i, one in enumerate(value):
                    yield from _value_problems(one, inside[0], shape, f"{path}[{i}]")
        case "ListObject":
            if not isinstance(value, dict) or value.get("object") != "list" or not isinstance(value.get("data"), list):
                yield f"{path}: not a list object"
        case "Dict" | "dict" | "UntypedStripeObject" | "Mapping":
            if not isinstance(value, dict):
                yield f"{path}: not a mapping"
        case "int":
            if not isinstance(value, int) or isinstance(value, bool):
                yield f"{path}: {value!r} is not a whole number"
        case "bool":
            if not isinstance(value, bool):
                yield f"{path}: {value!r} is not true or false"
        case "str":
            if not isinstance(value, str):
                yield f"{path}: {value!r} is not text"
        case "float" | "Decimal" | "Any":
            return
        case _:
            nested = shape.find(head)
            if not isinstance(value, (dict, str)) or (isinstance(value, str) and nested is not None):
                yield f"{path}: not an object"
            elif nested is not None and isinstance(value, dict):
                yield from _object_problems(value, nested, path)
