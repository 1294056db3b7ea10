"""Tensors of a model folder: safetensors only, memory-mapped, one at a time."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from artifact.folder import ArtifactRefusedError
from engine.model.linear import Linear, dense, four_bit, int8, int8_of
from engine.model.smoothing import NONE, Smoothing

_QUANT_STATE = "quant_state.bitsandbytes__"


def scale_of(name: str) -> str:
    """The tensor with the scales of an 8-bit matrix, (out, 1), as compressed-tensors names it."""
    return f"{name}.weight_scale"


class Weights:
    """Args: folder: passed by `check_folder`; device: where tensors go; precision: of `engine.model.decoder`."""

    def __init__(self, folder: Path, device: torch.device, precision: str) -> None:
        self._device, self._precision = device, precision
        self.dtype = torch.float32 if precision == "int8" else getattr(torch, precision)
        self._file_of: dict[str, Any] = {}
        for path in _files(folder):
            try:
                # Closed with the process: the tensors that stay on the CPU in their own dtype are views of the file.
                file: Any = safe_open(path, framework="pt")  # it ships no types
            except (SafetensorError, OSError) as error:
                raise ArtifactRefusedError(f"{path.name} is no safetensors file: {error}; save it again") from error
            self._file_of.update(dict.fromkeys(file.keys(), file))

    def has(self, name: str) -> bool:
        return name in self._file_of

    def raw(self, name: str) -> torch.Tensor:
        """Raises ArtifactRefusedError: the artifact has no such tensor."""
        if name not in self._file_of:
            raise ArtifactRefusedError(f"no safetensors file of the artifact holds {name}; save the model again")
        tensor: torch.Tensor = self._file_of[name].get_tensor(name)
        return tensor.to(self._device)

    def tensor(self, name: str) -> torch.Tensor:
        """In the dtype of the computation."""
        return self.raw(name).to(self.dtype)

    def linear(self, names: Sequence[str], *, bias: bool = False, smooth: Smoothing = NONE) -> Linear:
        """One layer of several matrices that read the same input.

        Args:
            smooth: of plain matrices only.
        """
        states = [self._four_bit_state(f"{name}.weight") for name in names]
        if all(state is not None for state in states):
            parts = [(self.raw(f"{name}.weight"), state) for name, state in zip(names, states, strict=True)]
            return four_bit(parts, self._biases(names, bias=bias), torch.bfloat16)
        if all(self.has(scale_of(name)) for name in names):
            return self._eight_bit(names, self._biases(names, bias=bias))
        make: Callable[[torch.Tensor, torch.Tensor | None], Linear] = int8 if self._precision == "int8" else dense
        return make(*smooth.of_linear(*self.plain(names, bias=bias)))

    def plain(self, names: Sequence[str], *, bias: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Matrices that are not quantised, one on top of the other, and their biases."""
        whole = torch.cat([self.raw(f"{name}.weight") for name in names])
        return whole.to(self.dtype), self._biases(names, bias=bias)

    def _biases(self, names: Sequence[str], *, bias: bool) -> torch.Tensor | None:
        return torch.cat([self.tensor(f"{name}.bias") for name in names]) if bias else None

    def _eight_bit(self, names: Sequence[str], biases: torch.Tensor | None) -> Linear:
        codes = torch.cat([self.raw(f"{name}.weight") for name in names])
        scales = torch.cat([self.raw(scale_of(name)).flatten() for name in names])
        if self._precision == "int8":
            return int8_of(codes, scales, biases)
        return dense((codes.float() * scales[:, None]).to(self.dtype), biases)

    def largest(self, names: Sequence[str]) -> torch.Tensor:
        """The largest magnitude that each input of plain matrices is multiplied by: (in,), float32."""
        return torch.stack([self.raw(f"{name}.weight").abs().amax(0).float() for name in names]).amax(0)

    def _four_bit_state(self, name: str) -> Any:
        """None if the matrix is plain."""
        kept = {key: self.raw(key) for key in self._file_of if key.startswith(f"{name}.")}
        if not any(_QUANT_STATE in key for key in kept):
            return None
        from bitsandbytes.functional import QuantState  # noqa: PLC0415 - a second of imports, see `four_bit`

        return QuantState.from_dict(kept, device=self._device)


def _files(folder: Path) -> list[Path]:
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return [folder / "model.safetensors"]
    return [folder / name for name in sorted({*json.loads(index.read_bytes())["weight_map"].values()})]
