"""How traffic will shift, whether there is room for it, and what it costs."""

from functools import cache

from release.adapters.images import EcrImages
from release.adapters.prices import SsmPrices
from release.adapters.quotas import AccountQuotas
from release.flows.plan_review import PlanReview
from release.flows.planning import Planning
from release.wiring import clients, fleet, records, settings


@cache
def planning() -> Planning:
    quotas = AccountQuotas(clients.client("service-quotas"))
    prices = SsmPrices(clients.client("ssm"), stack=clients.stack())
    review = PlanReview(records.table(), quotas, prices, settings.settings(), clients.now)
    images = EcrImages(clients.client("ecr"))
    return Planning(records.table(), fleet.serving(), images, clients.stack(), clients.now, review)
