"""CloudFormation's operations, as requests and answers in the API's own words.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Operations.html
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from local.cloudformation import answers, templates
from local.cloudformation.definition import check
from local.cloudformation.errors import (
    AlreadyExistsError,
    ChangeSetNotFoundError,
    InvalidChangeSetStatusError,
    ValidationError,
    refused,
)
from local.cloudformation.stack import ChangeSet, Stack
from local.cloudformation.stacks import NO_UPDATES, Stacks, in_background
from local.cloudformation.templates import Template
from local.world import ACCOUNT, REGION, World

Request = Mapping[str, Any]
Answer = dict[str, Any]

_PAGE = 100
_NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
_CHANGE_SET_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")
# What AWS would do and this CloudFormation does not: asking for it is refused by name.
_NOT_EMULATED = (
    "DeploymentConfig", "DeploymentMode", "ImportExistingResources", "NotificationARNs", "ResourcesToImport",
    "ResourceTypes", "RollbackConfiguration", "StackPolicyBody", "StackPolicyDuringUpdateBody",
    "StackPolicyDuringUpdateURL", "StackPolicyURL", "StackSetName", "TimeoutInMinutes",
)  # fmt: skip


class Api:
    """One method per operation, by its name in snake case."""

    def __init__(self, world: World, stacks: Stacks) -> None:
        self._world, self._stacks = world, stacks

    def operations(self) -> dict[str, Callable[[Request], Answer]]:
        """By name in snake case."""
        names = (name for name in vars(Api) if not name.startswith("_") and name != "operations")
        return {name: self._checked(getattr(self, name)) for name in names}

    def _checked(self, operation: Callable[[Request], Answer]) -> Callable[[Request], Answer]:
        def call(request: Request) -> Answer:
            for name in _NOT_EMULATED:
                if request.get(name):
                    raise refused(f"request parameter {name}")
            return operation(request)

        return call

    # Stacks

    def create_stack(self, request: Request) -> Answer:
        body = self._body(request)
        stack = self._stacks.add(request["StackName"])
        try:
            definition = self._stacks.define(stack, body, request, expands=False)
            stack.protected = bool(request.get("EnableTerminationProtection"))
            self._remember(stack, request)
            on_failure = request.get("OnFailure") or ("DO_NOTHING" if stack.disable_rollback else "ROLLBACK")
            work = self._stacks.create(stack, definition, on_failure)
        except Exception:
            self._stacks.forget(stack)
            raise
        in_background(stack, work)
        return {"StackId": stack.id}

    def update_stack(self, request: Request) -> Answer:
        stack = self._stacks.get(request["StackName"])
        self._stacks.check_updatable(stack)
        definition = self._stacks.define(stack, self._body(request, stack), request, expands=False)
        _, anything = self._stacks.forecast(stack, definition)
        if not anything:
            raise ValidationError(NO_UPDATES)
        self._remember(stack, request)
        in_background(stack, self._stacks.update(stack, definition, disable_rollback=stack.disable_rollback))
        return {"StackId": stack.id}

    def delete_stack(self, request: Request) -> Answer:
        if request.get("DeletionMode", "STANDARD") != "STANDARD":
            raise refused(f"DeletionMode {request['DeletionMode']}")
        try:
            stack = self._stacks.get(request["StackName"])
        except ValidationError:
            return {}  # as on AWS: what is not there is deleted
        if stack.status != "DELETE_COMPLETE":
            stack.token = request.get("ClientRequestToken")
            in_background(stack, self._stacks.delete(stack, request.get("RetainResources", ())))
        return {}

    def update_termination_protection(self, request: Request) -> Answer:
        stack = self._stacks.get(request["StackName"])
        stack.protected = bool(request["EnableTerminationProtection"])
        return {"StackId": stack.id}

    def _remember(self, stack: Stack, request: Request) -> None:
        stack.token = request.get("ClientRequestToken")
        stack.role_arn = request.get("RoleARN") or stack.role_arn
        stack.disable_rollback = bool(request.get("DisableRollback"))

    def _body(self, request: Request, stack: Stack | None = None) -> str:
        body = templates.body_of(self._world, request)
        if body is None and request.get("UsePreviousTemplate") and stack and stack.definition:
            return stack.definition.template.body
        if body is None:
            raise ValidationError("Either Template URL or Template Body must be specified.")
        return body

    def describe_stacks(self, request: Request) -> Answer:
        if "StackName" in request:
            return {"Stacks": [answers.stack(self._stacks.get(request["StackName"]))]}
        living = [stack for stack in self._stacks.all() if stack.status != "DELETE_COMPLETE"]
        return _page([answers.stack(stack) for stack in living], "Stacks", request)

    def list_stacks(self, request: Request) -> Answer:
        wanted = set(request.get("StackStatusFilter") or ())
        found = [stack for stack in self._stacks.all() if not wanted or stack.status in wanted]
        return _page([answers.stack_summary(stack) for stack in found], "StackSummaries", request)

    def describe_stack_events(self, request: Request) -> Answer:
        return _page(self._stacks.get(request["StackName"]).events[::-1], "StackEvents", request)

    def describe_stack_resource(self, request: Request) -> Answer:
        stack = self._stacks.get(request["StackName"])
        name = request["LogicalResourceId"]
        if name not in stack.resources:
            raise ValidationError(f"Resource {name} does not exist for stack {stack.name}")
        return {"StackResourceDetail": answers.resource_detail(stack, stack.resources[name])}

    def describe_stack_resources(self, request: Request) -> Answer:
        if "StackName" not in request:
            raise refused("DescribeStackResources without StackName")
        stack = self._stacks.get(request["StackName"])
        wanted = request.get("LogicalResourceId")
        found = [resource for name, resource in sorted(stack.resources.items()) if wanted in {None, name}]
        return {"StackResources": [answers.resource(stack, resource) for resource in found]}

    def list_stack_resources(self, request: Request) -> Answer:
        stack = self._stacks.get(request["StackName"])
        found = [answers.resource_summary(resource) for _, resource in sorted(stack.resources.items())]
        return _page(found, "StackResourceSummaries", request)

    def list_exports(self, request: Request) -> Answer:
        found = [
            {"ExportingStackId": stack.id, "Name": name, "Value": value}
            for name, (stack, value) in sorted(self._stacks.exports.all().items())
        ]
        return _page(found, "Exports", request)

    def list_imports(self, request: Request) -> Answer:
        name = request["ExportName"]
        users = self._stacks.exports.users(name)
        if not users:
            raise ValidationError(f"Export '{name}' is not imported by any stack.")
        return _page(users, "Imports", request)

    # Templates

    def get_template(self, request: Request) -> Answer:
        template = self._known_template(request)
        if request.get("TemplateStage", "Original") == "Original":
            body: Any = template.body
        else:
            body = json.dumps(template.document)
        return {"TemplateBody": body, "StagesAvailable": ["Original", "Processed"]}

    def get_template_summary(self, request: Request) -> Answer:
        return answers.template_summary(self._template_of(request))

    def validate_template(self, request: Request) -> Answer:
        template = self._template_of(request)
        if not templates.transforms_of(template.original):
            check(template, self._stacks.types)
        return answers.validated_template(template)

    def _template_of(self, request: Request) -> Template:
        if "StackName" in request:
            return self._known_template(request)
        body = self._body(request)
        original = templates.parsed(body)
        return Template(body, original, original)

    def _known_template(self, request: Request) -> Template:
        if "ChangeSetName" in request:
            return self._change_set(request).definition.template
        stack = self._stacks.get(request["StackName"])
        if stack.definition is None:
            raise ValidationError(f"Stack with id {stack.name} does not exist")
        return stack.definition.template

    # Change sets

    def create_change_set(self, request: Request) -> Answer:
        name, kind = request["ChangeSetName"], request.get("ChangeSetType", "UPDATE")
        if not _CHANGE_SET_NAME.fullmatch(name):
            raise ValidationError(f"1 validation error detected: Value '{name}' at 'changeSetName' is no name")
        if kind not in {"CREATE", "UPDATE"}:
            raise refused(f"ChangeSetType {kind}")
        stack, is_new = self._reviewed(request["StackName"], kind)
        if any(known.stack is stack and known.name == name for known in self._stacks.change_sets.values()):
            raise AlreadyExistsError(f"ChangeSet {name} already exists")
        try:
            body = self._body(request, stack)
            definition = self._stacks.define(stack, body, request, expands=True)
            changes, anything = self._stacks.forecast(stack, definition)
        except Exception:
            if is_new:
                self._stacks.forget(stack)
            raise
        if is_new:
            stack.becomes("REVIEW_IN_PROGRESS", "User Initiated")
        arn = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:changeSet/{name}/{uuid4()}"
        change_set = ChangeSet(name, arn, stack, kind, definition, self._world.clock.now(), changes=changes)
        change_set.description = request.get("Description", "")
        change_set.on_failure = request.get("OnStackFailure")
        if not anything:
            change_set.fail(_NO_CHANGES)
        stack.role_arn = request.get("RoleARN") or stack.role_arn
        self._stacks.change_sets[arn] = change_set
        return {"Id": arn, "StackId": stack.id}

    def _reviewed(self, name: str, kind: str) -> tuple[Stack, bool]:
        """The stack that the change set is for, and whether it was made for it."""
        try:
            stack = self._stacks.get(name)
        except ValidationError:
            if kind == "UPDATE":
                raise
            return self._stacks.add(name), True
        if kind == "CREATE" and stack.status != "REVIEW_IN_PROGRESS":
            raise AlreadyExistsError(f"Stack [{name}] already exists and cannot be created again with the changeSet")
        if kind == "UPDATE":
            self._stacks.check_updatable(stack)
        return stack, False

    def _change_set(self, request: Request) -> ChangeSet:
        name = request["ChangeSetName"]
        stack = self._stacks.get(request["StackName"]) if "StackName" in request else None
        for change_set in reversed(self._stacks.change_sets.values()):
            if name == change_set.id or (name == change_set.name and change_set.stack is stack):
                return change_set
        raise ChangeSetNotFoundError(f"ChangeSet [{name}] does not exist")

    def describe_change_set(self, request: Request) -> Answer:
        change_set = self._change_set(request)
        changes = [{"Type": "Resource", "ResourceChange": change} for change in change_set.changes]
        return {**answers.change_set(change_set), **_page(changes, "Changes", request)}

    def list_change_sets(self, request: Request) -> Answer:
        stack = self._stacks.get(request["StackName"])
        found = [item for item in self._stacks.change_sets.values() if item.stack is stack]
        return _page([answers.change_set_summary(item) for item in found], "Summaries", request)

    def execute_change_set(self, request: Request) -> Answer:
        change_set = self._change_set(request)
        change_set.stack.token = request.get("ClientRequestToken")
        work = self._stacks.execute(change_set, disable_rollback=bool(request.get("DisableRollback")))
        in_background(change_set.stack, work)
        return {}

    def delete_change_set(self, request: Request) -> Answer:
        try:
            change_set = self._change_set(request)
        except ChangeSetNotFoundError:
            return {}  # as on AWS
        if change_set.execution_status == "EXECUTE_IN_PROGRESS":
            raise InvalidChangeSetStatusError(f"ChangeSet [{change_set.id}] cannot be deleted while it is executed")
        del self._stacks.change_sets[change_set.id]
        return {}


def _page(items: Sequence[Any], key: str, request: Request) -> Answer:
    start = int(request.get("NextToken") or 0)
    page: Answer = {key: list(items[start : start + _PAGE])}
    if start + _PAGE < len(items):
        page["NextToken"] = str(start + _PAGE)
    return page
