"""Contracts written as contract files, with the comments a first reader needs."""

from __future__ import annotations

import base64
import dataclasses
import json
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pytest_tfsig.contract.keys import dotted
from pytest_tfsig.contract.relations import kind_of
from pytest_tfsig.contract.tensor import Tensor, has_default_tolerance
from pytest_tfsig.errors import ContractError
from pytest_tfsig.savedmodel.dtypes import INTEGER_RANGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pytest_tfsig.contract.agreement import Contract
    from pytest_tfsig.contract.latency import LatencyBudget
    from pytest_tfsig.contract.relations import Relation
    from pytest_tfsig.contract.signature import Signature
    from pytest_tfsig.contract.tensor import Feature, ProbabilityRule

_HEADER: Final = """\
# What callers of this model may rely on. pytest proves it against the model as it is served.
# Shapes: a number is that size, a name is one size wherever it appears, "?" is any size; without a shape, any rank.
"""
_LATENCY_HINT: Final = '# p99 = "25ms"   # or p50, p90, p95, "p99.9", mean, first_request, error_rate'


Remarks = Mapping[tuple[str, str, str], str]
"""Comments by place: the signature's name, ``inputs`` or ``dims``, and the name of the input or dimension."""


def dumps(contract: Contract, remarks: Remarks | None = None) -> str:
    """Return the text of a contract file that ``loads`` reads back as an equal contract.

    Args:
        contract: The contract.
        remarks: Sentences to write as comments where they belong.

    Raises:
        ContractError: The contract holds what a file cannot: a strategy that is a Python object.
    """
    lines = [_HEADER]
    if contract.model is not None:
        lines.append(f"model = {_value(str(contract.model))}\n")
    if contract.consumer:
        lines.append(f"consumer = {_value(contract.consumer)}\n")
    if contract.pending:
        lines.append("pending = true\n")
    for signature in contract.signatures.values():
        lines.extend(_signature(signature, remarks or {}))
    return "\n".join(lines).rstrip("\n") + "\n"


def _signature(signature: Signature, remarks: Remarks) -> Iterator[str]:
    path: tuple[str, ...] = ("signatures", signature.name)
    yield f"[{_header(path)}]"
    yield f"method = {_value(signature.method)}\n"
    for side, tensors in (("inputs", signature.inputs), ("outputs", signature.outputs)):
        for name, tensor in tensors.items():
            yield from _tensor((*path, side, name), tensor, side, remarks.get((signature.name, side, name)))
    yield from _dims((*path, "dims"), signature, remarks)
    for budget in signature.latency:
        yield from _table((*path, "latency"), _budget(budget), is_list=True)
    if not signature.latency:
        yield f"# [[{_header((*path, 'latency'))}]]\n{_LATENCY_HINT}\n"
    if signature.checks:
        yield from _table((*path, "checks"), signature.checks)
    for relation in signature.relations:
        yield from _table((*path, "relations"), _relation(relation), is_list=True)


def _dims(path: tuple[str, ...], signature: Signature, remarks: Remarks) -> Iterator[str]:
    if signature.dims:
        yield from _table(path, {name: list(bounds) for name, bounds in signature.dims.items()})
    elif signature.dimension_names:
        yield f"# [{_header(path)}]"
        for name in signature.dimension_names:
            yield f"# {_key(name)} = {list(signature.dim_range(name))}   # smallest and largest size that is sent"
            if remark := remarks.get((signature.name, "dims", name)):
                yield from _comment(remark)
        yield ""


def _comment(remark: str) -> list[str]:
    # Names in it may hold what TOML allows nowhere.
    return [f"# {line}" for line in textwrap.wrap("".join(c if c.isprintable() else " " for c in remark), 110)]


def _tensor(path: tuple[str, ...], tensor: Tensor, side: str, remark: str | None = None) -> Iterator[str]:
    if tensor.strategy is not None and not isinstance(tensor.strategy, str):
        raise ContractError(f'{dotted(path)}: its strategy is a Python object; name it as "module:function" instead.')
    keys = _stated(tensor, leave_out=("features",))
    if tensor.shape is not None:
        keys["shape"] = ["?" if size is None else size for size in tensor.shape]
    for key in ("values", "vocabulary"):
        if key in keys and tensor.encoding is not None:
            keys[key] = [_Toml(_bytes(value, tensor.encoding)) for value in keys[key] if isinstance(value, bytes)]
    if tensor.probabilities is not None and not isinstance(tensor.probabilities, bool):
        keys["probabilities"] = _probabilities(tensor.probabilities, tensor.dtype)
    hint = _hint(tensor.dtype, side)
    is_bare = not keys.keys() - {"dtype", "shape"} and tensor.features is None
    if remark is not None:
        hint = "\n".join(_comment(remark))
    yield from _table(path, keys, hint if is_bare or remark is not None else None)
    if tensor.features is not None:
        yield f"[{_header((*path, 'features'))}]"
    for name, feature in (tensor.features or {}).items():
        yield from _table((*path, "features", name), _feature(feature))


def _hint(dtype: str | None, side: str) -> str | None:
    """Return which keys would say more of a tensor of this dtype; a boolean has no more to say."""
    is_output = side == "outputs"
    if dtype == "bool":
        return None
    if dtype == "string":
        image = "" if is_output else ', image = "png"'
        words = "values" if is_output else "values or vocabulary"
        return f'# encoding = "utf-8"{image}, {words} = [...] say what the bytes are.'
    if dtype in INTEGER_RANGES:
        return f"# min = 0, max = 9 or values = [...] say what callers {'get' if is_output else 'send'}."
    if is_output:
        return "# min, max or values say what callers get; probabilities = true: in [0, 1] and summing to 1."
    return "# min = 0.0, max = 1.0 or values = [...] say what callers send."


def _probabilities(rule: ProbabilityRule, dtype: str | None) -> bool | dict[str, Any]:
    stated = _stated(rule)
    if rule.atol is not None and has_default_tolerance(rule, dtype):
        stated.pop("atol", None)
    return stated or True


def _feature(feature: Feature) -> dict[str, Any]:
    keys = {"dtype": feature.dtype, **_stated(feature)}
    if feature.shape is not None:
        keys["shape"] = list(feature.shape)
    else:
        keys.pop("shape", None)
    return keys


def _budget(budget: LatencyBudget) -> dict[str, Any]:
    limit = budget.limit_seconds if budget.metric == "error_rate" else budget.limit_text
    options = _stated(budget, leave_out=("metric", "limit_seconds"))
    if budget.seconds is not None:
        options["seconds"] = dataclasses.replace(budget, metric="mean", limit_seconds=budget.seconds).limit_text
    return {budget.metric: limit, **options}


def _relation(relation: Relation) -> dict[str, Any]:
    return {"kind": kind_of(relation), **_stated(relation)}


def _stated(instance: Any, leave_out: Iterable[str] = ()) -> dict[str, Any]:
    """Return the fields of a dataclass that differ from their defaults."""
    return {
        field.name: getattr(instance, field.name)
        for field in dataclasses.fields(instance)
        if field.name not in leave_out and getattr(instance, field.name) != field.default
    }


def _table(
    path: tuple[str, ...], keys: Mapping[str, Any], hint: str | None = None, *, is_list: bool = False
) -> Iterator[str]:
    yield f"[[{_header(path)}]]" if is_list else f"[{_header(path)}]"
    for name, value in keys.items():
        try:
            yield f"{_key(name)} = {_value(value)}"
        except TypeError:
            raise ContractError(f"{dotted((*path, name))}: {value!r} cannot be written to a file.") from None
    if hint is not None:
        yield hint
    yield ""


def _header(path: tuple[str, ...]) -> str:
    return ".".join(_key(key) for key in path)


def _key(key: str) -> str:
    is_bare = key.isascii() and key != "" and all(char.isalnum() or char in "_-" for char in key)
    return key if is_bare else _text(key)


class _Toml(str):
    """A value that is written already."""

    __slots__ = ()


def _value(value: Any) -> str:
    """Write a value as TOML."""
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write(value)
    raise TypeError(value)


def _text(value: str) -> str:
    # JSON escapes all that TOML wants escaped, but DEL; and nothing that acts on a terminal is to be in a file.
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 2**16 else f"\\U{ord(char):08x}"


def _bytes(value: bytes, encoding: str = "utf-8") -> str:
    """Write bytes as the text that is read back as them, else as TensorFlow Serving's REST API does."""
    try:
        text = value.decode(encoding)
        if text.encode(encoding) == value:
            return _text(text)
    except UnicodeError:
        pass
    return _value({"b64": base64.b64encode(value).decode("ascii")})


_WRITERS: Final[tuple[tuple[type | tuple[type, ...], Callable[[Any], str]], ...]] = (
    (_Toml, str),
    (str, _text),
    (bool, lambda value: "true" if value else "false"),  # before int, which a bool is
    ((int, float), repr),
    (bytes, _bytes),
    ((list, tuple), lambda items: f"[{', '.join(map(_value, items))}]"),
    (dict, lambda table: f"{{ {', '.join(f'{_key(str(key))} = {_value(item)}' for key, item in table.items())} }}"),
)
