"""AddTags, ListTags, DeleteTags."""

from local.sagemaker.control.plane import Deed, Json, Plane
from local.sagemaker.control.rights import Rights, requested_tags
from local.sagemaker.errors import not_found, validation
from local.sagemaker.registry import MAX_TAGS


class Tags:
    def __init__(self, plane: Plane) -> None:
        self._registry = plane.registry

    def deeds(self) -> dict[str, Deed]:
        return {"AddTags": self._add, "ListTags": self._list, "DeleteTags": self._delete}

    def _add(self, rights: Rights, request: Json) -> Json:
        rights.need("AddTags", request["ResourceArn"], requested_tags(request["Tags"]))
        return {"Tags": self._registry.tag(self._known(request), request["Tags"])}

    def _list(self, rights: Rights, request: Json) -> Json:
        rights.need("ListTags", request["ResourceArn"])
        if token := request.get("NextToken"):
            # A page holds at least 50 tags and a resource has no more, so that no list goes on.
            raise validation(f"NextToken {token!r} was not given out for this list, which is at most {MAX_TAGS} tags.")
        return {"Tags": self._registry.tags(self._known(request))}

    def _delete(self, rights: Rights, request: Json) -> Json:
        rights.need("DeleteTags", request["ResourceArn"], {"aws:TagKeys": request["TagKeys"]})
        self._registry.untag(self._known(request), request["TagKeys"])
        return {}

    def _known(self, request: Json) -> str:
        arn: str = request["ResourceArn"]
        if not self._registry.knows(arn):
            raise not_found("resource", arn)
        return arn
