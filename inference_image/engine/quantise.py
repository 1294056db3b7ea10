"""Write 8-bit weights down: `python -m engine.quantise SOURCE TARGET`, the shards to make as JSON on stdin.

What lies in them is what the engine computes when it loads the plain weights of SOURCE, number for number: smoothed,
quantised, one scale for each output. The names are those of compressed-tensors. A shard that TARGET has already is
left as it is, and each one's path is printed when it is there.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import torch
from safetensors.torch import save_file

from artifact.folder import ArtifactRefusedError
from engine.model.config import ModelConfig, read_config
from engine.model.decoder import EMBEDDING, smoothings
from engine.model.layer import END_NORM, LayerSmoothing, Product, head_of, norm_tensors, norms, products
from engine.model.linear import int8_codes, int8_is_supported
from engine.model.weights import Weights, scale_of

_HEAD = "lm_head"


def parts(config: ModelConfig, folder: Path) -> Iterator[dict[str, torch.Tensor]]:
    """The artifact's tensors by name: the embedding, each layer, and the end. The head is always one of its own.

    Raises:
        ArtifactRefusedError: a tensor is missing.
    """
    weights = Weights(folder, torch.device("cpu"), "int8")
    yield {EMBEDDING: weights.raw(EMBEDDING).clone()}
    for number, smooth in enumerate(smoothings(config, folder)):
        yield _layer(config, weights, number, smooth)
    yield norm_tensors(config, weights, END_NORM) | _stored([_HEAD], weights.raw(f"{head_of(config)}.weight").float())


def _layer(config: ModelConfig, weights: Weights, number: int, smooth: LayerSmoothing) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for name, divisor in norms(config, number, smooth).items():
        found |= norm_tensors(config, weights, name, divisor)
    for product in products(config, number, smooth).values():
        found |= _product(weights, product)
    return found


def _product(weights: Weights, product: Product) -> dict[str, torch.Tensor]:
    names = product.names
    rows = [len(weights.raw(f"{name}.weight")) for name in names]
    whole, biases = product.smooth.of_linear(*weights.plain(names, bias=product.bias))
    found = _stored(names, whole, rows)
    if biases is not None:
        found |= {f"{name}.bias": one for name, one in zip(names, torch.split(biases, rows), strict=True)}
    return found


def _stored(names: list[str], whole: torch.Tensor, rows: list[int] | None = None) -> dict[str, torch.Tensor]:
    codes, scales = int8_codes(whole)
    split = rows or [len(codes)]
    found = {f"{name}.weight": one for name, one in zip(names, torch.split(codes, split), strict=True)}
    return found | {scale_of(name): one[:, None] for name, one in zip(names, torch.split(scales, split), strict=True)}


def write(plan: list[Mapping[str, object]], source: Path, target: Path) -> Iterator[str]:
    """Each shard's path as soon as it is there.

    Args:
        plan: shards in the model's order, `path` and `tensors` of each; `tensors` are those of the plain model.
    """
    made = parts(read_config(source), source)
    left: dict[str, torch.Tensor] = {}
    for shard in plan:
        path, wanted = str(shard["path"]), {str(name) for name in _names(shard)}
        while not wanted <= left.keys():
            left |= next(made)
        held = {name: tensor for name, tensor in left.items() if name.replace("_scale", "") in wanted}
        left = {name: tensor for name, tensor in left.items() if name not in held}
        if not (target / path).is_file():
            half = target / f".{path}.half"
            save_file({name: one.contiguous() for name, one in held.items()}, half, metadata={"format": "pt"})
            half.replace(target / path)
        yield path


def _names(shard: Mapping[str, object]) -> list[str]:
    names = shard["tensors"]
    if not isinstance(names, list):
        raise TypeError(f"tensors of shard {shard.get('path')} are no list")
    return names


def main() -> int:
    source, target = map(Path, sys.argv[1:3])
    # Sums of floating numbers depend on how many threads share them, and the artifact's id on every bit.
    torch.set_num_threads(1)
    if not int8_is_supported():
        sys.stderr.write("int8 is quantised on x86 processors only; package it on one\n")
        return 1
    try:
        with suppress(BrokenPipeError):
            for path in write(json.load(sys.stdin), source, target):
                sys.stdout.write(f"{path}\n")
                sys.stdout.flush()
    except ArtifactRefusedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
