#!/usr/bin/env bash
# Start one server over a model folder, put the contract kit to it, stop it:
#   benchmarks/peers/examine.sh slipway|transformers|vllm|llama MODEL REPORT.json
# MODEL is a Hugging Face folder; for llama a GGUF file. The server's log lies beside the report.
set -euo pipefail
cd "$(dirname "$0")/../.."
peer=${1:?name one of slipway, transformers, vllm, llama} model=$(realpath "${2:?name a model}") report=$(realpath -m "${3:?name a file for the report}")
port=$(.venv/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# transformers lists the models of a cache, and fails where there is none.
HF_HUB_CACHE=$(mktemp -d)
export HF_HUB_CACHE HF_HUB_OFFLINE=1 VLLM_CPU_KVCACHE_SPACE=2 VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 VLLM_HOST_IP=127.0.0.1
case $peer in
  slipway)
    export SLIPWAY_RELEASE_ID=3f2a91c07d4e SLIPWAY_ROLLOUT_ID=3f2a91c07d4e-1 SLIPWAY_MODEL_DIR=$model
    export SAGEMAKER_BIND_TO_PORT=$port SAGEMAKER_ENABLE_STATEFUL_SESSIONS=true
    .venv/bin/python inference_image/serve --host 127.0.0.1 >"$report.log" 2>&1 &
    ;;
  transformers)
    .venv-peer-transformers/bin/transformers serve "$model" --host 127.0.0.1 --port "$port" >"$report.log" 2>&1 &
    ;;
  vllm)
    .venv-peer-vllm/bin/vllm serve "$model" --host 127.0.0.1 --port "$port" --max-model-len 2048 >"$report.log" 2>&1 &
    ;;
  llama)
    .venv-peer-llama/bin/python -m llama_cpp.server --model "$model" --host 127.0.0.1 --port "$port" >"$report.log" 2>&1 &
    ;;
esac
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true' EXIT
ready="http://127.0.0.1:$port/v1/models"
[ "$peer" = slipway ] && ready="http://127.0.0.1:$port/ping"
for _ in $(seq 600); do
  kill -0 $server 2>/dev/null || { echo "examine.sh: $peer ended before it was ready; see $report.log" >&2; exit 1; }
  curl --silent --fail --output /dev/null "$ready" && break
  sleep 0.5
done
arguments=()
[ "$peer" = transformers ] && arguments=(--kit-model "$model")
# Failed checks are the result, not a failure of this script.
env -u HF_HUB_OFFLINE .venv/bin/python -m pytest -q tests/contract_kit --tb=line --base-url "http://127.0.0.1:$port" --kit-report "$report" "${arguments[@]}" || true
