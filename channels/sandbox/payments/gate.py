"""The request gate: every request is measured against the parameter types that ship with Stripe's own library.

Closed at every depth: an unknown parameter, a missing one, a value outside its list or a fraction where a whole number
belongs is refused with its full path. What the types do not know (ranges, states, "required if") is the sandbox's rules.
"""

from __future__ import annotations

import inspect
import re
import sys
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib import import_module
from typing import Annotated, Any, ForwardRef, Literal, Union, get_args, get_origin

import typing_extensions
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model
from stripe._request_options import RequestOptions

IMPORTED = re.compile(r"from (stripe\.params[\w.]*) import \(?([^)]*?)\)?\n(?=\s*(?:from|import|\n|class|_))", re.S)
OPEN_ENUM = re.compile(r"(Literal\[[^\]]*\])\s*\|\s*str\b")
INTEGER = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Problem:
    """`code` is Stripe's (parameter_unknown, parameter_missing, parameter_invalid ...); `param` like line_items[0][quantity]."""

    code: str
    param: str
    message: str


class _Untyped:
    """In the place of UntypedStripeObject, which is only for handing objects back to the library."""

    def __class_getitem__(cls, _item: Any) -> type[_Untyped]:
        return cls


def check(service: Any, method: str, params: Mapping[str, Any], *, strict: bool) -> list[Problem]:
    """What is wrong with these parameters; [] where nothing is.

    `strict` is for values before they are encoded (5000.0 and "5000" are no integers); otherwise everything is text, as
    in a form, and an integer has to look like one.
    """
    model = _model(params_class(service, method), strict)
    try:
        model.model_validate(dict(params), strict=strict)
    except ValidationError as error:
        return _problems(error, params)
    return []


@cache
def params_class(service: Any, method: str) -> Any:
    """The TypedDict that the library's method takes. Raises LookupError where it names none."""
    annotation = str(getattr(service, method).__annotations__["params"])
    found = re.search(r"\w+Params\b", annotation)
    if found is None:
        raise LookupError(f"{service.__name__}.{method} names no parameters")
    name = found.group()
    for module, names in IMPORTED.findall(inspect.getsource(sys.modules[service.__module__])):
        if name in re.findall(r"\w+", names):
            return getattr(import_module(module), name)
    raise LookupError(f"{service.__module__} does not say where {name} comes from")


@cache
def _model(described: Any, strict: bool) -> type[BaseModel]:
    """A closed pydantic model of a TypedDict; safe names inside, the parameter's own name as alias."""
    module = vars(sys.modules[described.__module__])
    names = {**vars(typing), **vars(typing_extensions), **module, "UntypedStripeObject": _Untyped, "Decimal": Decimal}
    skipped = set(RequestOptions.__annotations__) if _takes_options(described) else set()
    fields: dict[str, Any] = {}
    for i, (key, annotation) in enumerate(described.__annotations__.items()):
        if key in skipped:
            continue
        text = annotation.__forward_arg__ if isinstance(annotation, ForwardRef) else annotation
        required = not (text.startswith("NotRequired") if isinstance(text, str) else _is_optional(text))
        resolved = _resolve(text, names, strict)
        fields[f"f{i}"] = (resolved, Field(alias=key)) if required else (resolved, Field(default=None, alias=key))
    made: type[BaseModel] = create_model(described.__name__, __config__=ConfigDict(extra="forbid", strict=strict), **fields)
    return made


def _is_optional(annotation: Any) -> bool:
    return get_origin(annotation) in (typing_extensions.NotRequired,)


def _takes_options(described: type[Any]) -> bool:
    return RequestOptions in getattr(described, "__orig_bases__", ())


def _resolve(annotation: Any, names: dict[str, Any], strict: bool) -> Any:
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        annotation = eval(OPEN_ENUM.sub(r"\1", annotation), names)  # noqa: S307  the library's own annotations, nothing from outside
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin in (typing_extensions.NotRequired, typing_extensions.Required):
        return _resolve(inside[0], names, strict)
    if typing_extensions.is_typeddict(annotation):
        return _model(annotation, strict)
    if origin is Union or type(annotation).__name__ == "UnionType":
        kept = [one for one in (_resolve(one, names, strict) for one in inside) if one is not _Untyped]
        if any(get_origin(one) is Literal for one in kept) and str in kept:
            kept.remove(str)  # the other spelling of an open enum
        return Union[tuple(kept)]  # noqa: UP007  built at run time
    if origin in (list, dict):
        return origin[tuple(_resolve(one, names, strict) for one in inside)]
    if annotation is int and not strict:
        return Annotated[int, BeforeValidator(_whole)]
    if annotation is bool and not strict:
        return Annotated[bool, BeforeValidator(_truth)]
    return annotation


def _whole(value: Any) -> int:
    if isinstance(value, str) and INTEGER.fullmatch(value):
        return int(value)
    raise ValueError("Invalid integer")


def _truth(value: Any) -> bool:
    if value in ("true", "false"):
        return bool(value == "true")
    raise ValueError("Invalid boolean")


def _problems(error: ValidationError, params: Mapping[str, Any]) -> list[Problem]:
    found = []
    for one in error.errors(include_url=False):
        path = _path(one["loc"], params)
        match one["type"]:
            case "extra_forbidden":
                found.append(Problem("parameter_unknown", path, f"Received unknown parameter: {path}"))
            case "missing":
                found.append(Problem("parameter_missing", path, f"Missing required param: {path}."))
            case "value_error" | "int_type" | "int_from_float" | "int_parsing":
                kind = "boolean" if "boolean" in one["msg"] else "integer"
                found.append(Problem(f"parameter_invalid_{kind}", path, f"Invalid {kind}: {one['input']}"))
            case _:
                found.append(Problem("parameter_invalid", path, f"Invalid {path}: {one['msg']}"))
    order = ("parameter_unknown", "parameter_missing")
    return sorted(found, key=lambda p: order.index(p.code) if p.code in order else len(order))


def _path(where: tuple[int | str, ...], params: Mapping[str, Any]) -> str:
    """line_items[0][quantity] from pydantic's location, without the names of union members it puts in between."""
    kept: list[str] = []
    here: Any = params
    for i, part in enumerate(where):
        try:
            here = here[part]
        except (LookupError, TypeError):
            if i < len(where) - 1 or not isinstance(here, Mapping):
                continue
        kept.append(str(part))
    return kept[0] + "".join(f"[{part}]" for part in kept[1:]) if kept else "params"
