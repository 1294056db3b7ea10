"""Lambda's event sources: moto keeps the mappings, our polling reads the queues."""

import contextlib
from collections.abc import Iterable
from typing import Any

from moto.awslambda import models
from moto.awslambda.exceptions import LambdaClientError
from moto.sqs.models import sqs_backends

from local.moto_patches.patching import Patches
from local.queue_polling import QueueMapping
from local.world import ACCOUNT, REGION

# Members of CreateEventSourceMapping that would be kept and do nothing.
_WITHOUT_EFFECT = ("FilterCriteria", "ProvisionedPollerConfig", "MetricsConfig", "KMSKeyArn")
_DEFAULT_BATCH, _DEFAULT_CONCURRENCY = 10, 5


def install(patches: Patches) -> None:
    _leave_queues_to_our_polling(patches)


def _leave_queues_to_our_polling(patches: Patches) -> None:
    """moto runs the function while the sender of a message waits, once, with invented times, and forgets the rest of a
    batch; what it cannot do it keeps in silence."""

    def create(self: models.LambdaBackend, spec: dict[str, Any]) -> models.EventSourceMapping:
        source = str(spec.get("EventSourceArn", ""))
        if not source.startswith("arn:aws:sqs:") or source.endswith(".fifo"):
            raise _refusal(
                f"local AWS does not emulate event source {source}; standard queues of SQS alone have effect"
            )
        if unknown := [name for name in _WITHOUT_EFFECT if spec.get(name)]:
            raise _refusal(f"local AWS does not emulate {', '.join(unknown)} of an event source mapping")
        mapping: models.EventSourceMapping = original(self, spec)
        for queue in sqs_backends[ACCOUNT][REGION].queues.values():
            queue.lambda_event_source_mappings.pop(mapping.function_arn, None)
        return mapping

    original = patches.replace(models.LambdaBackend, "create_event_source_mapping", create)


def _refusal(message: str) -> LambdaClientError:
    return LambdaClientError("InvalidParameterValueException", message)


def waiting_mappings() -> Iterable[QueueMapping]:
    """The enabled mappings whose queue has a message that can be received now, and whose function is still there."""
    backend = models.lambda_backends[ACCOUNT][REGION]
    queues = {queue.queue_arn: queue for queue in list(sqs_backends[ACCOUNT][REGION].queues.values())}
    for mapping in list(backend._event_source_mappings.values()):  # noqa: SLF001 - moto's only list of them
        queue = queues.get(mapping.event_source_arn)
        if mapping.enabled and queue is not None and queue.messages:
            # AWS keeps the mapping of a function that was deleted, and polls for it no more.
            with contextlib.suppress(LambdaClientError):
                yield _described(mapping, backend.get_function(mapping.function_arn))


def _described(mapping: models.EventSourceMapping, function: models.LambdaFunction) -> QueueMapping:
    return QueueMapping(
        uuid=mapping.uuid,
        queue_arn=mapping.event_source_arn,
        function_arn=mapping.function_arn,
        role_arn=function.role,
        batch_size=int(mapping.batch_size or _DEFAULT_BATCH),
        window_s=float(mapping.max_batch_window or 0),
        reports_failures="ReportBatchItemFailures" in (mapping.function_response_types or []),
        concurrency=int((mapping.scaling_config or {}).get("MaximumConcurrency", _DEFAULT_CONCURRENCY)),
    )
