#!/usr/bin/env bash
# Install torch without ever pulling CUDA onto a machine that has no GPU.
# A folder of wheels named in PIP_FIND_LINKS goes first, because uv does not read that variable by itself;
# otherwise uv picks the CPU build unless it finds an NVIDIA driver.
set -euo pipefail
bin=$1
requirement=inference_image/requirements-torch.txt
version=$(sed 's/.*==//' "$requirement")
wheels=${PIP_FIND_LINKS:-}
if [ -n "$wheels" ] && compgen -G "$wheels/torch-$version*.whl" >/dev/null; then
  UV_FIND_LINKS=$wheels "$bin/uv" pip install --quiet -r "$requirement"
else
  "$bin/uv" pip install --quiet --torch-backend auto -r "$requirement"
fi
