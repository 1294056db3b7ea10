"""Whether the release can run where its config puts it: on these instance types, from this image."""

from collections.abc import Mapping, Sequence

from release.domain.examination.architecture import Architecture
from release.domain.examination.report import Check, Finding, finding, skipped
from release.domain.examination.weights import Census
from release.domain.memory import MemoryPlan, instance_of, memory_plan, promise_of

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def memory_findings(
    instance_types: Sequence[str], environment: Mapping[str, str], model: Architecture | None, census: Census | None
) -> tuple[Finding, tuple[MemoryPlan, ...]]:
    """The memory plan of every instance type that may serve, each of which must hold the release."""
    if model is None or census is None:
        return skipped(Check.MEMORY, "neither parameters nor shapes are known"), ()
    problems, plans = [], []
    for name in instance_types:
        instance = instance_of(name)
        if instance is None:
            problems.append(f"the memory of {name} is not known; take an instance type that SageMaker serves on")
        elif instance.neuron:
            problems.append(
                f"{name} computes on {instance.accelerator}, for which there is no image; take a GPU or CPU type"
            )
        else:
            plans.append(memory_plan(instance, model, census, promise_of(environment, model)))
    problems += [plan.problem for plan in plans if plan.problem]
    return finding(Check.MEMORY, problems, "; ".join(map(_line, plans))), tuple(plans)


def _line(plan: MemoryPlan) -> str:
    return (
        f"{plan.instance.name}: {plan.weights / 1e9:.1f} GB of weights in {plan.usable / 1e9:.1f} GB, "
        f"{plan.cache_tokens} tokens of keys and values, {plan.full_requests} of {plan.promise.concurrency} requests "
        f"at {plan.promise.context} tokens at once"
    )


def image_finding(image: str, media_type: str | None) -> Finding:
    """SageMaker's CreateModel takes Docker's image manifest and refuses OCI's and every list of images
    (https://github.com/aws/amazon-sagemaker-feedback/issues/180).

    Args:
        media_type: of the image's manifest; None if the registry does not have it.
    """
    if media_type is None:
        return finding(Check.IMAGE, [f"{image} is not in the registry any more; push the image again"])
    if media_type != DOCKER_MANIFEST:
        advice = "push it for one platform with --provenance=false and oci-mediatypes=false"
        return finding(Check.IMAGE, [f"{image} has a manifest of type {media_type}, which SageMaker refuses; {advice}"])
    return finding(Check.IMAGE, note=media_type)
