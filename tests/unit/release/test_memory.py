"""The memory plan against arithmetic by hand."""

import pytest

from release.domain.examination.architecture import Architecture, read_architecture
from release.domain.examination.placement import DOCKER_MANIFEST, image_finding, memory_findings
from release.domain.examination.report import Outcome
from release.domain.examination.weights import Census
from release.domain.memory import Instance, MemoryPlan, instance_of, memory_plan, promise_of
from tests.builders import stablelm
from tests.builders.artifacts import CONFIG

GIB = 2**30


def model_of(**changes: object) -> Architecture:
    model = read_architecture(stablelm.CONFIG | changes)
    assert isinstance(model, Architecture), model
    return model


def plan(instance_type: str, model: Architecture, held_bytes: int = 0, **environment: str) -> MemoryPlan:
    instance = instance_of(instance_type)
    assert instance is not None
    census = Census(stablelm.PARAMETERS, 356, 1, {"BF16": held_bytes})
    return memory_plan(
        instance, model, census, promise_of({f"SLIPWAY_{name}": value for name, value in environment.items()}, model)
    )


@pytest.mark.parametrize(
    ("dtype", "weights", "per_token"),
    [
        pytest.param("auto", 2 * stablelm.PARAMETERS, 327_680, id="bfloat16 unless somebody asks otherwise"),
        pytest.param("float16", 2 * stablelm.PARAMETERS, 327_680, id="half precision"),
        pytest.param(
            "float32", 4 * stablelm.PARAMETERS, 655_360, id="full precision takes twice as much of everything"
        ),
    ],
)
def test_weights_and_cache_take_what_their_precision_takes(dtype: str, weights: int, per_token: int) -> None:
    found = plan("ml.g5.4xlarge", model_of(), DTYPE=dtype)

    assert (found.weights, found.kv_per_token) == (weights, per_token)
    assert found.problem == ""


def test_four_bit_weights_take_what_the_file_takes() -> None:
    quantisation = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}

    found = plan("ml.g5.4xlarge", model_of(quantization_config=quantisation), 1_825_000_000)

    # About 59,600 tokens: fourteen requests of 4,096, against eleven with weights in bfloat16.
    assert (found.weights, found.full_requests) == (1_825_000_000, 14)


def test_int8_on_a_cpu_takes_a_byte_a_weight_and_keeps_each_token_twice() -> None:
    found = plan("ml.c7i.8xlarge", model_of())

    # By hand: linear layers 32 * (4 * 2560**2 + 3 * 2560 * 6912) + head 50304 * 2560, a scale for each of their rows,
    # and embedding and norms in float32.
    linear = 32 * (4 * 2560**2 + 3 * 2560 * 6912) + 50304 * 2560
    rows = 32 * (4 * 2560 + 2 * 6912 + 2560) + 50304
    rest = 50304 * 2560 + 65 * 2 * 2560
    assert found.weights == linear + 4 * rows + 4 * rest
    assert found.kv_per_token == 2 * 4 * 2 * 32 * 2560


def test_fewer_tokens_fit_where_more_requests_compute() -> None:
    assert (
        plan("ml.g5.4xlarge", model_of(), MAX_CONCURRENCY="200").cache_tokens
        < plan("ml.g5.4xlarge", model_of()).cache_tokens
    )


@pytest.mark.parametrize(
    ("instance_type", "environment", "because"),
    [
        pytest.param("ml.c5.large", {"DTYPE": "float32"}, "the weights need 11.2 GB", id="weights"),
        pytest.param(
            "ml.g5.4xlarge",
            {"MAX_CONCURRENCY": "100"},
            "100 requests with answers of 512 tokens need 51200",
            id="answers",
        ),
        pytest.param("ml.c5.2xlarge", {}, "and one request may have 4096", id="one request"),
    ],
)
def test_what_cannot_fit_is_refused_with_both_numbers(
    instance_type: str, environment: dict[str, str], because: str
) -> None:
    found = plan(instance_type, model_of(), 0, **environment)

    assert because in found.problem
    assert instance_type in found.problem


def test_a_shorter_context_makes_room_and_the_model_s_own_is_the_most() -> None:
    assert plan("ml.g5.4xlarge", model_of(), MAX_MODEL_LEN="1024").full_requests == 47
    assert promise_of({"SLIPWAY_MAX_MODEL_LEN": "999999"}, model_of()).context == 4096
    assert promise_of({"SLIPWAY_MAX_CONCURRENCY": "many"}, model_of()).concurrency == 16


def test_every_type_that_may_serve_must_hold_the_release() -> None:
    model = read_architecture(CONFIG)
    assert isinstance(model, Architecture)
    census = Census(632, 11, 1, {"F32": 2528})

    found, plans = memory_findings(["ml.g5.xlarge", "ml.c5.xlarge"], {}, model, census)
    assert (found.outcome, [each.instance.name for each in plans]) == (Outcome.PASSED, ["ml.g5.xlarge", "ml.c5.xlarge"])
    failed, _ = memory_findings(["ml.g5.xlarge", "ml.trn1.2xlarge"], {}, model, census)
    assert failed.outcome is Outcome.FAILED
    unknown, _ = memory_findings(["ml.g5.xlarge"], {}, None, None)
    assert unknown.outcome is Outcome.SKIPPED


def test_only_one_of_several_accelerators_counts() -> None:
    assert instance_of("ml.g5.12xlarge") == Instance("ml.g5.12xlarge", 192 * GIB, "NVIDIA A10G", 22_888 * 2**20)


@pytest.mark.parametrize(
    ("media_type", "because"),
    [
        (None, "is not in the registry any more"),
        ("application/vnd.oci.image.manifest.v1+json", "which SageMaker refuses"),
        ("application/vnd.oci.image.index.v1+json", "which SageMaker refuses"),
        ("application/vnd.docker.distribution.manifest.list.v2+json", "which SageMaker refuses"),
    ],
)
def test_an_image_that_sagemaker_refuses_is_refused_before_it_is_asked(media_type: str | None, because: str) -> None:
    (problem,) = image_finding("x@sha256:0", media_type).problems

    assert because in problem


def test_a_docker_image_for_one_platform_passes() -> None:
    assert image_finding("x@sha256:0", DOCKER_MANIFEST).outcome is Outcome.PASSED
