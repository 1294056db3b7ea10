"""What AWS does not document: each open question is a switch here, with both answers tested. Nothing else guesses."""

from dataclasses import dataclass
from enum import StrEnum


class PartialInstances(StrEnum):
    """What becomes of a percentage that is no whole number of instances, and of a batch of a single instance."""

    UP_TO_HALF = "up-to-half"
    """The next whole instance; the call is refused where that is more of the variant than the API allows."""
    UP = "up"
    """The next whole instance, even if that is all of them."""
    DOWN = "down"
    """The last whole instance, but at least one."""


class AlarmsAtStart(StrEnum):
    """When an alarm that is missing, unreadable or in ALARM as UpdateEndpoint is called speaks against it."""

    ROLL_BACK = "roll-back"
    """The call succeeds; the deployment ends before it moves anything."""
    REFUSE = "refuse"
    """The call itself is refused."""


@dataclass(frozen=True)
class Behaviour:
    """One answer to every open question. The defaults are the more cautious ones for whoever releases."""

    alarms_count_while_blue_waits: bool = True
    """Whether a tripped alarm still rolls back during TerminationWaitInSeconds."""
    alarms_count_while_provisioning: bool = False
    """Whether a tripped alarm ends the start of green, or waits until green is up."""
    alarms_at_start: AlarmsAtStart = AlarmsAtStart.ROLL_BACK
    composite_alarms_count: bool = False
    """Whether AutoRollbackConfiguration finds composite alarms, or takes their names for missing ones."""
    partial_instances: PartialInstances = PartialInstances.UP_TO_HALF
    """Covers the canary on one instance too."""
    rollback_says_why: bool = True
    """Whether FailureReason tells of a rollback, or stays empty. Both have been seen."""
    plain_update_forgets_policy: bool = True
    """Whether LastDeploymentConfig vanishes with an update that has none and retains none."""
    blue_green_may_fail_to_return: bool = True
    """Whether UpdateRollbackFailed, documented for rolling updates, also meets a blue/green one whose blue is lost; if
    not, traffic goes back to blue whatever is left of it."""
    mixed_endpoint_scales: bool = False
    """Whether an endpoint in UpdateRollbackFailed takes UpdateEndpointWeightsAndCapacities."""
    out_of_service_takes_updates: bool = False
    """Whether an endpoint in OutOfService takes UpdateEndpoint."""
    events_per_change: int = 1
    """How often each change of state is told, >= 1: SageMaker "may send multiple events for each state change"."""
    requests_finish_before_sigterm: bool = True
    """Whether an instance that leaves may finish what it has in flight before SIGTERM, or gets it at once."""
    client_disconnects_reach_containers: bool = True
    """Whether a client that goes away closes the connection to the container, or the answer is read to its end for
    nobody. That StreamBroken speaks of the connection "between the client and the model" speaks for the first."""
    unknown_sessions_are_refused: bool = True
    """Whether a request is refused whose session is closed, expired, unknown or was on an instance that is gone, or
    goes to any instance, as if it named no session."""
    malformed_headers_fail_the_answer: bool = True
    """Whether an answer with CustomAttributes, a content type or a session id that the API's model does not allow
    fails as a ModelError, or goes on without that header."""
    payload_limit_bytes: int = 25 * 1024 * 1024
    """Of a request's body and of an answer that is no stream. The guide says 25 MB, the API's model 6,291,456 bytes."""
    fresh_config_unseen_s: float = 0.0
    """For how many AWS seconds CreateEndpoint and UpdateEndpoint may not find a new endpoint config, although
    DescribeEndpointConfig does: they read it from DynamoDB eventually consistently, says CreateEndpoint's reference."""
    same_config_refused: bool = True
    """Whether UpdateEndpoint to the config that serves already is refused, or deploys it once more. "To update an
    endpoint, you must create a new EndpointConfig", says its reference; no public error says what happens if not."""
    changes_need_live_config: bool = True
    """Whether UpdateEndpoint and UpdateEndpointWeightsAndCapacities fail once the config that serves was deleted.
    terraform-provider-aws#40048 saw it; AWS's advice to owners of such endpoints is UpdateEndpoint."""
    scaling_out_needs_models: bool = True
    """Whether UpdateEndpointWeightsAndCapacities can add instances of a model that was deleted."""
    deletion_needs_role: bool = True
    """Whether DeleteEndpoint ends as Failed without its execution role, or leaves only AWS's own leftovers, which the
    twin has not. "Otherwise SageMaker cannot delete these resources", says its reference."""
    kms_key_refused_on_local_storage: bool = True
    """Whether CreateEndpointConfig refuses a KmsKeyId for instances with NVMe disks, as its reference said until 2026,
    or takes it without effect, as it says since."""
    page_size: int = 10
    """How many models and endpoint configs a page holds where the request does not say; of endpoints it is 10."""
    name_filter_ignores_case: bool = False
    """Whether NameContains looks at case."""
    provision_s: float = 0.0
    """How many AWS seconds SageMaker looks for instances of a variant without
    VariantInstanceProvisionTimeoutInSeconds; 0 looks once."""
