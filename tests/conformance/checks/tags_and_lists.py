"""Tags, and lists: their pages, orders, filters and defaults."""

from datetime import timedelta
from typing import Any

from tests.conformance.case import Case
from tests.conformance.suite import Area
from tests.conformance.targets import Need

TAGS = Area("tags")
LISTS = Area("lists")
TEAM = {"Key": "team", "Value": "release"}
LIST = "API reference, ListModels"
DAY = timedelta(days=1)


def tags_of(c: Case, kind: str, name: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = c.sagemaker.list_tags(ResourceArn=c.target.arn(kind, name))["Tags"]
    return found


@TAGS.check("API reference, CreateModel, Tags")
def a_model_may_be_created_with_tags(c: Case) -> None:
    name = c.name()
    image = {"Image": c.target.image}
    c.sagemaker.create_model(ModelName=name, ExecutionRoleArn=c.target.role, PrimaryContainer=image, Tags=[TEAM])
    c.at_end(lambda: c.sagemaker.delete_model(ModelName=name))
    assert tags_of(c, "model", name) == [TEAM]


@TAGS.check("API reference, CreateEndpointConfig, Tags")
def a_config_may_be_created_with_tags(c: Case) -> None:
    name = c.name()
    c.create_config(name, c.variant(c.model()), Tags=[TEAM])
    assert tags_of(c, "endpoint-config", name) == [TEAM]


@TAGS.check("API reference, CreateEndpoint, Tags", Need.INSTANCES)
def an_endpoint_may_be_created_with_tags(c: Case) -> None:
    name = c.create_endpoint(c.config(), Tags=[TEAM])
    assert tags_of(c, "endpoint", name) == [TEAM]
    c.settled(name)


@TAGS.check("API reference, AddTags: 'Adds or overwrites one or more tags'")
def adding_a_tag_again_changes_its_value(c: Case) -> None:
    model = c.model()
    for value in ("first", "second"):
        c.sagemaker.add_tags(ResourceArn=c.target.arn("model", model), Tags=[{"Key": "team", "Value": value}])
    assert tags_of(c, "model", model) == [{"Key": "team", "Value": "second"}]


@TAGS.check("API reference, AddTags, Tags: 'An array of key-value pairs', those of the resource after the call")
def added_tags_are_answered(c: Case) -> None:
    answer = c.sagemaker.add_tags(ResourceArn=c.target.arn("model", c.model()), Tags=[TEAM])
    assert TEAM in answer["Tags"]


@TAGS.check("API reference, DeleteTags")
def a_deleted_tag_is_gone_and_others_stay(c: Case) -> None:
    arn = c.target.arn("model", c.model())
    c.sagemaker.add_tags(ResourceArn=arn, Tags=[TEAM, {"Key": "cost", "Value": "1"}])
    c.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["cost"])
    assert c.sagemaker.list_tags(ResourceArn=arn)["Tags"] == [TEAM]


@TAGS.check("AWS general reference, tag restrictions: 50 tags for each resource")
def a_resource_has_at_most_fifty_tags(c: Case) -> None:
    arn = c.target.arn("model", c.model())
    c.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": f"k{n}", "Value": "v"} for n in range(50)])
    with c.refused("ValidationException"):
        c.sagemaker.add_tags(ResourceArn=arn, Tags=[TEAM])


@TAGS.check("API reference, Tag, Key: 'Tag keys must be unique per resource'")
def one_call_names_a_key_once(c: Case) -> None:
    with c.refused("ValidationException"):
        c.sagemaker.add_tags(ResourceArn=c.target.arn("model", c.model()), Tags=[TEAM, TEAM])


@TAGS.check("API reference, AddTags: tags belong to a resource")
def what_does_not_exist_has_no_tags(c: Case) -> None:
    with c.refused("ValidationException"):
        c.sagemaker.add_tags(ResourceArn=c.target.arn("model", c.name()), Tags=[TEAM])


@TAGS.check("API reference, DeleteModel: the entry goes, and its tags with it")
def a_new_resource_of_an_old_name_has_no_tags(c: Case) -> None:
    model = c.model()
    c.sagemaker.add_tags(ResourceArn=c.target.arn("model", model), Tags=[TEAM])
    c.sagemaker.delete_model(ModelName=model)
    c.create_model(model)
    assert tags_of(c, "model", model) == []


def three_models(c: Case) -> tuple[str, list[str]]:
    """A part of their names, and the names in the order of their creation."""
    part = c.name("list")
    names = [f"{part}-{letter}" for letter in "bca"]
    for name in names:
        c.create_model(name)
    return part, names


def named(answer: Any, kind: str = "Models", member: str = "ModelName") -> list[str]:
    return [found[member] for found in answer[kind]]


@LISTS.check(f"{LIST}, NameContains")
def a_list_holds_the_names_that_contain_a_part(c: Case) -> None:
    part, names = three_models(c)
    assert sorted(named(c.sagemaker.list_models(NameContains=part))) == sorted(names)


@LISTS.check(f"{LIST}, SortBy Name, SortOrder Ascending")
def a_list_may_be_sorted_by_name(c: Case) -> None:
    part, names = three_models(c)
    answer = c.sagemaker.list_models(NameContains=part, SortBy="Name", SortOrder="Ascending")
    assert named(answer) == sorted(names)


@LISTS.check(f"{LIST}, SortOrder Descending")
def a_list_may_be_sorted_backwards(c: Case) -> None:
    part, names = three_models(c)
    answer = c.sagemaker.list_models(NameContains=part, SortBy="Name", SortOrder="Descending")
    assert named(answer) == sorted(names, reverse=True)


@LISTS.check(f"{LIST}, SortBy: 'The default is CreationTime'; SortOrder: 'The default is Descending'")
def a_list_begins_with_the_newest(c: Case) -> None:
    part, names = three_models(c)
    assert named(c.sagemaker.list_models(NameContains=part)) == names[::-1]


@LISTS.check(f"{LIST}, MaxResults and NextToken")
def pages_hold_every_name_once(c: Case) -> None:
    part, names = three_models(c)
    pages = c.sagemaker.get_paginator("list_models").paginate(NameContains=part, PaginationConfig={"PageSize": 2})
    found = [named(page) for page in pages]
    assert [len(page) for page in found] == [2, 1]
    assert sorted(name for page in found for name in page) == sorted(names)


@LISTS.check(f"{LIST}, NextToken: 'If the response to a previous ListModels request was truncated'")
def a_token_that_no_list_gave_is_refused(c: Case) -> None:
    with c.refused("ValidationException"):
        c.sagemaker.list_models(NextToken="never given")


@LISTS.check(f"{LIST}, CreationTimeAfter and CreationTimeBefore")
def a_list_may_be_bounded_by_time(c: Case) -> None:
    part, names = three_models(c)
    created = c.sagemaker.describe_model(ModelName=names[0])["CreationTime"]
    ask = c.sagemaker.list_models
    assert len(named(ask(NameContains=part, CreationTimeAfter=created - DAY))) == 3
    assert named(ask(NameContains=part, CreationTimeAfter=created + DAY)) == []
    assert named(ask(NameContains=part, CreationTimeBefore=created - DAY)) == []
    assert len(named(ask(NameContains=part, CreationTimeBefore=created + DAY))) == 3


@LISTS.check("API reference, ModelSummary")
def a_list_of_models_tells_arn_and_time(c: Case) -> None:
    model = c.model()
    (found,) = c.sagemaker.list_models(NameContains=model)["Models"]
    assert found["ModelArn"] == c.target.arn("model", model)
    assert found["CreationTime"] == c.sagemaker.describe_model(ModelName=model)["CreationTime"]


@LISTS.check("API reference, ListEndpointConfigs")
def configs_are_listed_the_newest_first(c: Case) -> None:
    part, model = c.name("list"), c.model()
    for letter in "bca":
        c.create_config(f"{part}-{letter}", c.variant(model))
    answer = c.sagemaker.list_endpoint_configs(NameContains=part, MaxResults=2)
    assert named(answer, "EndpointConfigs", "EndpointConfigName") == [f"{part}-a", f"{part}-c"]
    rest = c.sagemaker.list_endpoint_configs(NameContains=part, MaxResults=2, NextToken=answer["NextToken"])
    assert named(rest, "EndpointConfigs", "EndpointConfigName") == [f"{part}-b"]
    assert "NextToken" not in rest


@LISTS.check("API reference, EndpointSummary", Need.INSTANCES)
def a_list_of_endpoints_tells_their_status(c: Case) -> None:
    endpoint = c.endpoint()
    (found,) = c.sagemaker.list_endpoints(NameContains=endpoint)["Endpoints"]
    assert (found["EndpointStatus"], found["EndpointArn"]) == ("InService", c.target.arn("endpoint", endpoint))
    assert found["LastModifiedTime"] >= found["CreationTime"]


@LISTS.check("API reference, ListEndpoints, StatusEquals", Need.INSTANCES)
def endpoints_may_be_listed_by_status(c: Case) -> None:
    endpoint = c.endpoint()
    ask = c.sagemaker.list_endpoints
    assert named(ask(NameContains=endpoint, StatusEquals="Failed"), "Endpoints", "EndpointName") == []
    assert named(ask(NameContains=endpoint, StatusEquals="InService"), "Endpoints", "EndpointName") == [endpoint]


@LISTS.check("API reference, ListEndpoints, LastModifiedTimeAfter", Need.INSTANCES)
def endpoints_may_be_listed_by_their_last_change(c: Case) -> None:
    endpoint = c.endpoint()
    changed = c.describe(endpoint)["LastModifiedTime"]
    ask = c.sagemaker.list_endpoints
    after, before = changed + DAY, changed - DAY
    assert named(ask(NameContains=endpoint, LastModifiedTimeAfter=after), "Endpoints", "EndpointName") == []
    assert named(ask(NameContains=endpoint, LastModifiedTimeAfter=before), "Endpoints", "EndpointName") == [endpoint]
