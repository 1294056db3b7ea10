"""The AWS that one client talks to: its session, its clients, and the outputs of the deployed stack."""

import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from slipway.aws_errors import error_message, in_our_words, translated
from slipway.errors import AwsUnreachableError, StackNotFoundError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_sts import STSClient

# An answer may begin late behind a full queue; the server itself gives up on a stream after 8 minutes.
_RUNTIME = Config(
    connect_timeout=5, read_timeout=70, retries={"mode": "standard", "total_max_attempts": 3}, max_pool_connections=100
)


class Aws:
    """Clients are built when they are first used: each takes tens of milliseconds to load.

    Credentials, region and addresses come from the boto3 session and its environment and from nowhere else.

    Raises (every attribute):
        CredentialsError: no region, no credentials, or a profile that cannot be used.
        AwsUnreachableError: an address that is none.
    """

    def __init__(self, stack: str, session: boto3.Session | None = None) -> None:
        self.stack = stack
        with translated():
            self._session = session or boto3.Session()
        self._building = threading.Lock()  # a session may build only one client at a time

    def _build(self, service: str, config: Config | None = None) -> Any:
        try:
            with self._building, translated():
                return cast("Any", self._session).client(service, config=config)
        except ValueError as error:  # botocore has no class of its own for an address that is none
            raise AwsUnreachableError(f"{error}; set AWS_ENDPOINT_URL to http://… or https://…, or unset it") from error

    @property
    def region(self) -> str | None:
        return self._session.region_name

    @cached_property
    def cloudformation(self) -> "CloudFormationClient":
        return cast("CloudFormationClient", self._build("cloudformation"))

    @cached_property
    def cloudwatch(self) -> "CloudWatchClient":
        return cast("CloudWatchClient", self._build("cloudwatch"))

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        return cast("DynamoDBClient", self._build("dynamodb"))

    @cached_property
    def ecr(self) -> "ECRClient":
        return cast("ECRClient", self._build("ecr"))

    @cached_property
    def functions(self) -> "LambdaClient":
        return cast("LambdaClient", self._build("lambda"))

    @cached_property
    def iam(self) -> "IAMClient":
        return cast("IAMClient", self._build("iam"))

    @cached_property
    def logs(self) -> "CloudWatchLogsClient":
        return cast("CloudWatchLogsClient", self._build("logs"))

    @cached_property
    def s3(self) -> "S3Client":
        return cast("S3Client", self._build("s3"))

    @cached_property
    def sagemaker(self) -> "SageMakerClient":
        return cast("SageMakerClient", self._build("sagemaker"))

    @cached_property
    def runtime(self) -> "SageMakerRuntimeClient":
        return cast("SageMakerRuntimeClient", self._build("sagemaker-runtime", _RUNTIME))

    @cached_property
    def quotas(self) -> "ServiceQuotasClient":
        return cast("ServiceQuotasClient", self._build("service-quotas"))

    @cached_property
    def sns(self) -> "SNSClient":
        return cast("SNSClient", self._build("sns"))

    @cached_property
    def sqs(self) -> "SQSClient":
        return cast("SQSClient", self._build("sqs"))

    @cached_property
    def ssm(self) -> "SSMClient":
        return cast("SSMClient", self._build("ssm"))

    @cached_property
    def machines(self) -> "SFNClient":
        return cast("SFNClient", self._build("stepfunctions"))

    @cached_property
    def sts(self) -> "STSClient":
        return cast("STSClient", self._build("sts"))

    # -- the stack

    @cached_property
    def stack_description(self) -> dict[str, Any]:
        """DescribeStacks' answer; read once, because a deployed stack does not rename its parts."""
        try:
            return cast("dict[str, Any]", self.cloudformation.describe_stacks(StackName=self.stack)["Stacks"][0])
        except ClientError as error:
            if "does not exist" in error_message(error):
                raise self.not_deployed() from error
            raise in_our_words(error) from error

    def outputs(self) -> dict[str, str]:
        """The stack's outputs by name.

        Raises:
            StackNotFoundError: the stack is not deployed in this account and region.
        """
        with translated():
            found = self.stack_description.get("Outputs", [])
        return {output["OutputKey"]: output["OutputValue"] for output in found}

    def output(self, name: str) -> str:
        """One of them; raises StackNotFoundError when the deployed template has no such output."""
        try:
            return self.outputs()[name]
        except KeyError:
            raise StackNotFoundError(
                f"the stack {self.stack} has no output {name}; deploy the current template.yaml"
            ) from None

    def not_deployed(self) -> StackNotFoundError:
        return StackNotFoundError(
            f"the stack {self.stack} is not deployed here; run `sam deploy`, or run `slipway local up`"
        )
