"""Tensors of a model folder: safetensors only, memory-mapped, one at a time."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from artifact.folder import ArtifactRefusedError
from engine.model.linear import Linear, dense, four_bit, int8
from engine.model.smoothing import NONE, Smoothing

_QUANT_STATE = "quant_state.bitsandbytes__"


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
        biases = torch.cat([self.tensor(f"{name}.bias") for name in names]) if bias else None
        states = [self._four_bit_state(f"{name}.weight") for name in names]
        if all(state is not None for state in states):
            parts = [(self.raw(f"{name}.weight"), state) for name, state in zip(names, states, strict=True)]
            return four_bit(parts, biases, torch.bfloat16)
        make: Callable[[torch.Tensor, torch.Tensor | None], Linear] = int8 if self._precision == "int8" else dense
        whole = torch.cat([self.raw(f"{name}.weight") for name in names])
        return make(*smooth.of_linear(whole.to(self.dtype), biases))

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
