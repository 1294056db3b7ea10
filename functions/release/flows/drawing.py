"""The dashboard of each endpoint: there as long as its endpoint is, and as this version draws it."""

from dataclasses import dataclass

from release.domain.dashboard import drawing
from release.domain.names import Names
from release.ports import Dashboards, Serving


@dataclass(frozen=True, slots=True)
class Drawing:
    serving: Serving
    dashboards: Dashboards
    stack: str
    region: str

    def draw(self, endpoint: str, *, dry_run: bool) -> list[str]:
        """In a dry run, what would be done, as sentences' ends; else nothing to say.

        Raises:
            ServiceUnavailableError: CloudWatch does not answer; the next sweep draws.
        """
        names = Names(self.stack, endpoint)
        name = names.sagemaker_endpoint
        there = self.dashboards.body(name)
        wanted = drawing(names, self.region) if self.serving.describe(name) else ""
        if there == wanted:
            return []
        if dry_run:
            return [f"draw dashboard {name}" if wanted else f"remove dashboard {name}"]
        if wanted:
            self.dashboards.put(name, wanted)
        else:
            self.dashboards.delete(name)
        return []
