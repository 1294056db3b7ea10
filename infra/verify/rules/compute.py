"""Functions, machines and tasks."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.verify.rules.registry import Properties, as_list, at, rule_of

_FSBP = "AWS Foundational Security Best Practices"
_SECRET = re.compile(r"(SECRET|PASSWORD|TOKEN|API_?KEY|CREDENTIAL)", re.IGNORECASE)
_RUNTIMES = {"python3.11", "python3.12", "python3.13", "python3.14"}


@rule_of(
    "AWS::Lambda::Function",
    "functions-are-bounded",
    "a function has a limit of time and a log group of the stack's",
    "docs/architecture.md",
)
def _bounded(properties: Properties, _: Mapping[str, Any], __: str) -> Iterator[str]:
    if not properties.get("Timeout"):
        yield "it has no Timeout"
    if not at(properties, "LoggingConfig.LogGroup"):
        yield "its log group is not of the stack"
    if properties.get("Runtime") not in _RUNTIMES:
        yield f"its runtime is {properties.get('Runtime')}"


@rule_of(
    "AWS::Lambda::Function",
    "functions-hold-no-secret",
    "no environment variable of a function holds a secret",
    f"{_FSBP} Lambda, secrets by reference",
)
def _function_secret(properties: Properties, _: Mapping[str, Any], __: str) -> Iterator[str]:
    yield from _secrets(at(properties, "Environment.Variables") or {})


@rule_of(
    "AWS::ECS::TaskDefinition",
    "tasks-hold-no-secret",
    "no environment variable of a task holds a secret",
    f"{_FSBP} ECS.8",
)
def _task_secret(properties: Properties, _: Mapping[str, Any], __: str) -> Iterator[str]:
    for container in properties.get("ContainerDefinitions", []):
        yield from _secrets({each["Name"]: each.get("Value") for each in container.get("Environment", [])})


def _secrets(variables: Mapping[str, Any]) -> Iterator[str]:
    for name in variables:
        if _SECRET.search(name):
            yield f"{name} is plain text to whoever may describe it"


@rule_of(
    "AWS::ECS::TaskDefinition",
    "tasks-are-locked",
    "a task is no root, writes no image and says where its log goes",
    f"{_FSBP} ECS.2, ECS.4, ECS.5, ECS.9, ECS.20",
)
def _locked(properties: Properties, _: Mapping[str, Any], __: str) -> Iterator[str]:
    for container in properties.get("ContainerDefinitions", []):
        name = container["Name"]
        if str(container.get("User", "root")).split(":")[0] in {"root", "0"}:
            yield f"{name} runs as root"
        if container.get("ReadonlyRootFilesystem") is not True:
            yield f"{name} may write to its image"
        if container.get("Privileged"):
            yield f"{name} is privileged"
        if not container.get("LogConfiguration"):
            yield f"{name} has no LogConfiguration"


@rule_of(
    "AWS::ECS::Service",
    "bad-deployments-end",
    "a deployment whose tasks do not start is rolled back",
    "Amazon ECS developer guide, circuit breaker",
)
def _breaker(properties: Properties, _: Mapping[str, Any], __: str) -> Iterator[str]:
    if at(properties, "DeploymentConfiguration.DeploymentCircuitBreaker") != {"Enable": True, "Rollback": True}:
        yield "its circuit breaker is off or does not roll back"


@rule_of(
    "AWS::StepFunctions::StateMachine",
    "machines-tell-no-data",
    "a machine logs and traces every step, without what the steps say",
    f"{_FSBP} StepFunctions.1",
)
def _machine(properties: Properties, _: Mapping[str, Any], __: str) -> Iterator[str]:
    logging = properties.get("LoggingConfiguration", {})
    if logging.get("Level") != "ALL" or not as_list(logging.get("Destinations")):
        yield "it does not log every step"
    if logging.get("IncludeExecutionData") is True:
        yield "its log holds inputs and outputs"
    if at(properties, "TracingConfiguration.Enabled") is not True:
        yield "it is not traced"
