"""Asking an endpoint as a customer would, through the SageMaker runtime."""

import json
import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from release.adapters.aws import code_of, message_of, translated
from release.domain.probes import ChatAnswer, Prompt
from release.domain.truth import ProbeAnswer

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

# Plain text, because a base model has no chat template; few tokens, because only who answers matters.
_PROMPT = json.dumps({"inputs": "Hello", "parameters": {"max_new_tokens": 4, "temperature": 0}})
_BODY_READ = 1_000_000


class RuntimeProbes:
    def __init__(self, client: "SageMakerRuntimeClient") -> None:
        self._client = client

    def ask(self, endpoint_name: str) -> ProbeAnswer:
        try:
            attributes, _ = self._invoke(endpoint_name, _PROMPT)
        except ClientError as error:
            return ProbeAnswer("", "", f"{code_of(error)}: {message_of(error)}")
        return ProbeAnswer(attributes.get("release", ""), attributes.get("rollout", ""), "")

    def chat(self, endpoint_name: str, prompt: Prompt) -> ChatAnswer:
        asked = {"messages": list(prompt.messages), "max_tokens": prompt.max_tokens, "temperature": 0, "logprobs": True}
        began = time.monotonic()
        try:
            attributes, body = self._invoke(endpoint_name, json.dumps(asked))
        except ClientError as error:
            return _refused(error)
        choice = _choice(body)
        return ChatAnswer(
            release_id=attributes.get("release", ""),
            rollout_id=attributes.get("rollout", ""),
            text=_text(choice),
            finish_reason=_str(choice.get("finish_reason")),
            latency_s=time.monotonic() - began,
            certainty=_certainty(choice),
        )

    def _invoke(self, endpoint_name: str, body: str) -> tuple[dict[str, str], bytes]:
        """Who answered, and what."""
        with translated(f"probing endpoint {endpoint_name}"):
            reply = self._client.invoke_endpoint(
                EndpointName=endpoint_name, ContentType="application/json", Body=body.encode()
            )
            answered = reply["Body"].read(_BODY_READ)
        return _named(reply.get("CustomAttributes", "")), answered


def _named(attributes: str) -> dict[str, str]:
    return dict(part.partition("=")[::2] for part in attributes.split(";"))


def _refused(error: ClientError) -> ChatAnswer:
    """By its code alone, because a message may repeat the prompt; a container's error body says who it is."""
    said: Any = error.response
    status = said.get("OriginalStatusCode", said.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
    who = _parsed(_str(said.get("OriginalMessage")).encode()).get("error")
    who = who if isinstance(who, dict) else {}
    return ChatAnswer(_str(who.get("release")), _str(who.get("rollout")), error=f"{code_of(error)} (status {status})")


def _choice(body: bytes) -> dict[str, Any]:
    choices = _parsed(body).get("choices")
    first = choices[0] if isinstance(choices, list) and choices else {}
    return first if isinstance(first, dict) else {}


def _parsed(body: bytes) -> dict[str, Any]:
    """What a container of another kind sends is no answer, and no failure of ours either."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(choice: dict[str, Any]) -> str:
    message = choice.get("message")
    return _str(message.get("content")) if isinstance(message, dict) else ""


def _certainty(choice: dict[str, Any]) -> float | None:
    noted = choice.get("logprobs")
    content = noted.get("content") if isinstance(noted, dict) else None
    if not isinstance(content, list):
        return None
    values = [
        one["logprob"] for one in content if isinstance(one, dict) and isinstance(one.get("logprob"), int | float)
    ]
    return sum(values) / len(values) if values else None


def _str(value: Any) -> str:
    return value if isinstance(value, str) else ""
