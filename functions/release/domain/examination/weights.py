"""What the safetensors headers hold, against the index of the shards and against config.json."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod

from release.domain.examination.architecture import Architecture, Expected, expected_tensors
from release.domain.examination.listing import INDEX, WEIGHTS, is_weights
from release.domain.safetensors import HeaderError, Tensor, parse_header
from release.domain.strict_json import JsonError, parse_object

Tensors = Mapping[str, tuple[Tensor, ...]]
"""Path → what its header describes."""

_FLOATS = frozenset({"F32", "F16", "BF16"})
_SCALE = "_scale"
_QUANT_STATE = ".quant_state.bitsandbytes__"


@dataclass(frozen=True, slots=True)
class Census:
    """What lies in the weights. `parameters` are those of the model, however many bits each has."""

    parameters: int
    tensors: int
    files: int
    bytes_by_dtype: Mapping[str, int]

    @property
    def bytes(self) -> int:
        return sum(self.bytes_by_dtype.values())


def read_headers(
    files: Mapping[str, int], heads: Mapping[str, bytes]
) -> tuple[dict[str, tuple[Tensor, ...]], list[str]]:
    """The tensors of every sound file, and a sentence for every other one.

    Args:
        files: path → bytes.
        heads: path → first bytes up to the end of the header.
    """
    tensors, problems = {}, []
    for path, head in sorted(heads.items()):
        try:
            tensors[path] = parse_header(head, files[path])
        except HeaderError as error:
            problems.append(f"{path} {error}")
    return tensors, problems


def index_problems(files: Iterable[str], index: bytes) -> list[str]:
    """Shards that the index names and the artifact lacks. Can be told before the other files have arrived."""
    weight_map = _weight_map(index)
    if isinstance(weight_map, str):
        return [weight_map]
    shards, there = set(weight_map.values()), set(files)
    problems = []
    for shard in sorted(shards - there):
        if shard.startswith("/") or ".." in shard.split("/"):
            problems.append(f"{INDEX} names shard {shard!r}, which lies outside the artifact; save the model again")
        else:
            problems.append(f"{shard} is missing, though {INDEX} names it; upload every shard before the seal")
    problems += [
        f"{INDEX} names shard {shard}, which is no safetensors file"
        for shard in sorted(shards & there)
        if not is_weights(shard)
    ]
    unread = sorted(path for path in there - shards if is_weights(path))
    return problems + [f"{path} is weights that {INDEX} does not name; leave it out" for path in unread]


def shard_problems(index: bytes | None, tensors: Tensors) -> list[str]:
    """Whether the shards hold what the index says, each tensor once; `tensors` of every weights file."""
    if index is None:
        return [] if set(tensors) == {WEIGHTS} else [_unindexed(tensors)]
    weight_map = _weight_map(index)
    held = {path: {tensor.name for tensor in found} for path, found in tensors.items()}
    problems = [
        f"{shard} lacks tensor {name!r}, which {INDEX} puts there; save the model again"
        for name, shard in sorted(weight_map.items() if isinstance(weight_map, dict) else ())
        if shard in held and name not in held[shard]
    ]
    times = Counter(name for names in held.values() for name in names)
    return problems + [
        f"tensor {name!r} lies in {count} of the weights' files; save the model again"
        for name, count in sorted(times.items())
        if count > 1
    ]


def _unindexed(tensors: Tensors) -> str:
    if WEIGHTS in tensors:
        other = min(set(tensors) - {WEIGHTS})
        return f"{other} is weights that nothing names beside {WEIGHTS}; leave it out or add {INDEX}"
    return f"{INDEX} is missing, though there is no single {WEIGHTS}; upload the index of the shards"


def _weight_map(index: bytes) -> dict[str, str] | str:
    """Tensor → shard, or the sentence that says why there is none."""
    try:
        document = parse_object(index)
    except JsonError as error:
        return f"{INDEX} {error}"
    match document:
        case {"weight_map": dict(weight_map)} if weight_map and all(
            isinstance(shard, str) for shard in weight_map.values()
        ):
            return weight_map
    return f"{INDEX} has no 'weight_map' of tensors to shards; save the model again"


def model_problems(model: Architecture, tensors: Tensors) -> list[str]:
    """Whether the weights are those that config.json describes. At most a sentence for each way to differ."""
    held = {tensor.name: tensor for found in tensors.values() for tensor in found}
    expected = list(expected_tensors(model))
    missing = [repr(one.name) for one in expected if one.name not in held]
    there = [(one, held[one.name]) for one in expected if one.name in held]
    misshapen = [
        f"{one.name!r} has no scale of shape {[one.shape[0], 1]}"
        if _coded(model, one) and tensor.shape == one.shape
        else f"{one.name!r} has the shape {list(tensor.shape)} in place of {list(one.shape)}"
        for one, tensor in there
        if not _fits(model, one, tensor, held)
    ]
    foreign = [f"{one.name!r} in {tensor.dtype}" for one, tensor in there if not _computable(model, one, tensor)]
    return [
        *_told(
            "the weights lack", missing, f"of {len(expected)} tensors that config.json describes; save both together"
        ),
        *_told("in the weights", misshapen, "that config.json describes; save both together"),
        *_told(
            "the weights hold", foreign, f"which the image cannot compute with; save as {', '.join(sorted(_FLOATS))}"
        ),
    ]


def _told(what: str, cases: list[str], advice: str) -> Iterator[str]:
    if cases:
        more = f" and {len(cases) - 1} more" if len(cases) > 1 else ""
        yield f"{what} {cases[0]}{more} {advice}"


def _packed(model: Architecture, one: Expected, tensor: Tensor) -> bool:
    return bool(model.four_bit) and one.linear and tensor.dtype == "U8"


def _fits(model: Architecture, one: Expected, tensor: Tensor, held: Mapping[str, Tensor]) -> bool:
    """4-bit weights are stored as a column of bytes, two weights in each, beside the state that unpacks them.

    8-bit ones keep their shape, beside a column of scales.
    """
    if _coded(model, one):
        scales = held.get(f"{one.name}{_SCALE}")
        return tensor.shape == one.shape and scales is not None and scales.shape == (one.shape[0], 1)
    if not _packed(model, one, tensor):
        return tensor.shape == one.shape
    return tensor.shape == ((prod(one.shape) + 1) // 2, 1) and f"{one.name}{_QUANT_STATE}{model.four_bit}" in held


def _coded(model: Architecture, one: Expected) -> bool:
    return model.int8 and one.linear


def _computable(model: Architecture, one: Expected, tensor: Tensor) -> bool:
    if _coded(model, one):
        return tensor.dtype == "I8"
    return tensor.dtype in _FLOATS or _packed(model, one, tensor)


def census(model: Architecture | None, tensors: Tensors) -> Census:
    held = [tensor for found in tensors.values() for tensor in found]
    by_dtype: Counter[str] = Counter()
    for tensor in held:
        by_dtype[tensor.dtype] += tensor.end - tensor.start
    shapes = [one.shape for one in expected_tensors(model)] if model else [tensor.shape for tensor in held]
    return Census(sum(map(prod, shapes)), len(held), len(tensors), dict(sorted(by_dtype.items())))
