"""Models: what CreateModel takes, keeps and refuses, and the rights of the execution role."""

from typing import Any

from tests.conformance.case import Case
from tests.conformance.fixture import allow, execution_rights, role
from tests.conformance.suite import Area

AREA = Area("models")
CREATE = "API reference, CreateModel"
DESCRIBE = "API reference, DescribeModel"
CONTAINER = "API reference, ContainerDefinition"
NOT_FOUND = "terraform-provider-aws internal/service/sagemaker/model.go: the message it takes for absence"
ASSUMED = "awslabs/predictive-maintenance-using-machine-learning#3 and bentoml/BentoML#892, refusals of real accounts"
NO_DATA = "philschmid/llm-sagemaker-sample#2, the refusal of a real account"


@AREA.check(f"{CREATE}, ModelArn")
def a_new_model_is_answered_with_its_arn(c: Case) -> None:
    name = c.name()
    assert c.create_model(name)["ModelArn"] == c.target.arn("model", name)


@AREA.check(DESCRIBE)
def a_model_is_described_as_it_was_created(c: Case) -> None:
    name = c.name()
    given = {**c.files(), "Environment": {"A": "1"}}
    c.create_model(name, **given)
    found = c.sagemaker.describe_model(ModelName=name)
    assert found["PrimaryContainer"].items() >= {"Image": c.target.image, "Environment": {"A": "1"}}.items()
    source = found["PrimaryContainer"]["ModelDataSource"]["S3DataSource"]
    assert source.items() >= given["ModelDataSource"]["S3DataSource"].items()
    assert found["ExecutionRoleArn"] == c.target.role


@AREA.check(f"{DESCRIBE}, CreationTime")
def a_model_has_the_time_of_its_creation(c: Case) -> None:
    model = c.model()
    assert c.sagemaker.describe_model(ModelName=model)["CreationTime"].tzinfo


@AREA.check(f"{DESCRIBE}, EnableNetworkIsolation")
def a_model_keeps_its_network_isolation(c: Case) -> None:
    name = c.name()
    image = {"Image": c.target.image}
    c.sagemaker.create_model(
        ModelName=name, ExecutionRoleArn=c.target.role, PrimaryContainer=image, EnableNetworkIsolation=True
    )
    c.at_end(lambda: c.sagemaker.delete_model(ModelName=name))
    assert c.sagemaker.describe_model(ModelName=name)["EnableNetworkIsolation"] is True


@AREA.check("sagemaker-python-sdk, session.py: 'Cannot create already existing model'")
def a_models_name_is_taken_once(c: Case) -> None:
    model = c.model()
    with c.refused("ValidationException", f'^Cannot create already existing model ".*{model}"'):
        c.create_model(model)


@AREA.check(NOT_FOUND)
def a_model_that_does_not_exist_cannot_be_described(c: Case) -> None:
    with c.refused("ValidationException", "^Could not find model"):
        c.sagemaker.describe_model(ModelName=c.name())


@AREA.check(NOT_FOUND)
def a_model_that_does_not_exist_cannot_be_deleted(c: Case) -> None:
    with c.refused("ValidationException", "^Could not find model"):
        c.sagemaker.delete_model(ModelName=c.name())


@AREA.check("API reference, DeleteModel: 'deletes only the model entry'")
def a_deleted_model_is_gone_and_its_files_are_not(c: Case) -> None:
    name = c.name()
    c.create_model(name, **c.files())
    c.sagemaker.delete_model(ModelName=name)
    with c.refused("ValidationException", "^Could not find model"):
        c.sagemaker.describe_model(ModelName=name)
    c.client["s3"].head_object(Bucket=c.target.bucket, Key="model/config.json")


@AREA.check(f"{CREATE}: a name is free once its model is deleted")
def a_deleted_models_name_may_be_used_again(c: Case) -> None:
    model = c.model()
    c.sagemaker.delete_model(ModelName=model)
    c.create_model(model)


@AREA.check("API reference, DeleteModel: the entry alone goes, so a config that names it stays")
def a_config_outlives_its_model(c: Case) -> None:
    model = c.model()
    config = c.config(model)
    c.sagemaker.delete_model(ModelName=model)
    found = c.sagemaker.describe_endpoint_config(EndpointConfigName=config)
    assert found["ProductionVariants"][0]["ModelName"] == model


@AREA.check(f"{CREATE}, ExecutionRoleArn: needed for images in ECR and for data in S3")
def a_model_needs_a_role(c: Case) -> None:
    with c.refused("ValidationException"):
        c.sagemaker.create_model(ModelName=c.name(), PrimaryContainer={"Image": c.target.image})


@AREA.check(f"{CREATE}: 'you name the model and describe a primary container'")
def a_model_needs_a_container(c: Case) -> None:
    with c.refused("ValidationException"):
        c.sagemaker.create_model(ModelName=c.name(), ExecutionRoleArn=c.target.role)


@AREA.check(f"{CONTAINER}, Environment: keys match [a-zA-Z_][a-zA-Z0-9_]*")
def a_variable_may_not_begin_with_a_digit(c: Case) -> None:
    with c.refused("ValidationException"):
        c.create_model(c.name(), Environment={"1A": "x"})


@AREA.check(f"{CONTAINER}, Environment: at most 1024 bytes for each value")
def a_variable_has_at_most_1024_characters(c: Case) -> None:
    c.create_model(c.name(), Environment={"A": "x" * 1024})
    with c.refused("ValidationException"):
        c.create_model(c.name(), Environment={"A": "x" * 1025})


@AREA.check(f"{CONTAINER}, Environment: at most 100 entries")
def a_container_has_at_most_100_variables(c: Case) -> None:
    c.create_model(c.name(), Environment={f"A{number}": "x" for number in range(100)})
    with c.refused("ValidationException"):
        c.create_model(c.name(), Environment={f"A{number}": "x" for number in range(101)})


@AREA.check(f"{CONTAINER}, Environment: all keys and values together at most 32 KB")
def all_variables_together_have_at_most_32_kb(c: Case) -> None:
    with c.refused("ValidationException"):
        c.create_model(c.name(), Environment={f"A{number:02}": "x" * 1000 for number in range(40)})


@AREA.check("API reference, S3ModelDataSource, S3DataType: a prefix 'always ends with a forward slash'")
def a_prefix_ends_with_a_slash(c: Case) -> None:
    with c.refused("ValidationException"):
        c.create_model(c.name(), **c.files("model"))


@AREA.check("API reference, S3ModelDataSource, CompressionType: Gzip is described for S3Object alone")
def a_prefix_is_never_compressed(c: Case) -> None:
    with c.refused("ValidationException"):
        c.create_model(c.name(), **c.files(compression="Gzip"))


@AREA.check(NO_DATA)
def model_data_must_exist(c: Case) -> None:
    with c.refused("ValidationException", r"^Could not (access|find) model data at s3://"):
        c.create_model(c.name(), ModelDataUrl=f"s3://{c.target.bucket}/absent.tar.gz")


@AREA.check(NO_DATA)
def a_prefix_must_hold_something(c: Case) -> None:
    with c.refused("ValidationException", r"^Could not (access|find) model data at s3://"):
        c.create_model(c.name(), **c.files("absent/"))


@AREA.check(NO_DATA)
def the_bucket_must_exist(c: Case) -> None:
    with c.refused("ValidationException", r"^Could not (access|find) model data at s3://"):
        c.create_model(c.name(), ModelDataUrl=f"s3://{c.name()}-{c.target.account}/model.tar.gz")


@AREA.check(f"{NO_DATA}: 'ensure that the role has \"s3:GetObject\" permissions'")
def the_role_must_be_allowed_to_read_the_data(c: Case) -> None:
    arn = role(c.target, c.name("blind"), *execution_rights(c.target)[2:])
    with c.refused("ValidationException", r"^Could not access model data at s3://.*s3:GetObject"):
        c.create_model(c.name(), role=arn, ModelDataUrl=f"s3://{c.target.bucket}/model.tar.gz")


@AREA.check(f"{NO_DATA}: 'uncompressed models … \"s3:ListBucket\" permission'")
def the_role_must_be_allowed_to_list_a_prefix(c: Case) -> None:
    rights = [right for right in execution_rights(c.target) if right["Action"] != ["s3:ListBucket"]]
    arn = role(c.target, c.name("unlisting"), *rights)
    with c.refused("ValidationException", r"^Could not access model data at s3://.*s3:ListBucket"):
        c.create_model(c.name(), role=arn, **c.files())


@AREA.check(ASSUMED)
def the_role_must_trust_sagemaker(c: Case) -> None:
    trusts = {"Service": "lambda.amazonaws.com"}
    arn = role(c.target, c.name("stranger"), *execution_rights(c.target), trusts=trusts)
    with c.refused("ValidationException", "assume|AssumeRole"):
        c.create_model(c.name(), role=arn)


@AREA.check(ASSUMED)
def the_role_must_exist(c: Case) -> None:
    with c.refused("ValidationException", "Could not assume role|AssumeRole"):
        c.create_model(c.name(), role=f"arn:aws:iam::{c.target.account}:role/{c.name('absent')}")


@AREA.check("aws-samples/easy-amazon-sagemaker-deployments#4, the refusal of a real account")
def the_image_must_exist(c: Case) -> None:
    repository = c.target.image.partition("@")[0]
    with c.refused("ValidationException", "^Requested image .* not found"):
        c.create_model(c.name(), Image=f"{repository}:absent")


@AREA.check("aws/amazon-sagemaker-feedback#180")
def an_image_has_a_docker_manifest_and_no_oci_one(c: Case) -> None:
    ecr, (name, _, digest) = c.client["ecr"], c.target.image.partition("@")
    repository = name.partition("/")[2]
    found = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])["images"][0]
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = found["imageManifest"].replace("application/vnd.docker.distribution.manifest.v2+json", kind)
    manifest = manifest.replace(
        "application/vnd.docker.container.image.v1+json", "application/vnd.oci.image.config.v1+json"
    )
    manifest = manifest.replace(
        "application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.oci.image.layer.v1.tar+gzip"
    )
    tag = c.name("oci")
    ecr.put_image(repositoryName=repository, imageManifest=manifest, imageManifestMediaType=kind, imageTag=tag)
    image_ids = [{"imageTag": tag}]
    c.at_end(lambda: ecr.batch_delete_image(repositoryName=repository, imageIds=image_ids))
    with c.refused("ValidationException", f"^Unsupported manifest media type {kind}".replace("+", r"\+")):
        c.create_model(c.name(), Image=f"{name}:{tag}")


@AREA.check("Service Authorization Reference, SageMaker: CreateModel; IAM User Guide, access denied messages")
def who_may_not_create_models_creates_none(c: Case) -> None:
    sagemaker = _as_role(c, allow("sagemaker:DescribeModel"))
    with c.refused("AccessDeniedException", "is not authorized to perform: sagemaker:CreateModel on resource: arn:"):
        image = {"Image": c.target.image}
        sagemaker.create_model(ModelName=c.name(), ExecutionRoleArn=c.target.role, PrimaryContainer=image)


@AREA.check("developer guide, execution roles: the caller needs iam:PassRole for the role that it passes")
def who_may_not_pass_the_role_creates_no_model(c: Case) -> None:
    sagemaker = _as_role(c, allow("sagemaker:CreateModel"))
    with c.refused("AccessDeniedException", "iam:PassRole"):
        image = {"Image": c.target.image}
        sagemaker.create_model(ModelName=c.name(), ExecutionRoleArn=c.target.role, PrimaryContainer=image)


@AREA.check("Service Authorization Reference, SageMaker: InvokeEndpoint on the endpoint")
def who_may_not_invoke_is_told_so(c: Case) -> None:
    keys = _keys(c, allow("sagemaker:DescribeEndpoint"))
    runtime = c.target.new_client("sagemaker-runtime", keys)
    with c.refused("AccessDeniedException", "is not authorized to perform: sagemaker:InvokeEndpoint on resource: arn:"):
        runtime.invoke_endpoint(EndpointName=c.name(), Body=b"x")


def _as_role(c: Case, *rights: dict[str, object]) -> Any:
    return c.target.new_client("sagemaker", _keys(c, *rights))


def _keys(c: Case, *rights: dict[str, object]) -> dict[str, str]:
    trusts = {"AWS": f"arn:aws:iam::{c.target.account}:root"}
    arn = role(c.target, c.name("caller"), *rights, trusts=trusts)
    keys: dict[str, str] = c.client["sts"].assume_role(RoleArn=arn, RoleSessionName="conformance")["Credentials"]
    return keys
