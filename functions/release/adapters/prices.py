"""The account's own prices in an SSM parameter, over the list that comes with Slipway."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from release.adapters.aws import code_of, translated
from release.domain.price import PriceList, built_in_prices, parse_prices
from release.errors import InvalidInputError

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


class SsmPrices:
    def __init__(self, client: "SSMClient", *, stack: str) -> None:
        self._client = client
        self._name = f"/{stack}/prices"

    def current(self) -> PriceList:
        try:
            with translated(f"reading the prices {self._name}"):
                text = self._client.get_parameter(Name=self._name)["Parameter"].get("Value", "")
        except ClientError as error:
            if code_of(error) == "ParameterNotFound":
                return built_in_prices()
            raise
        try:
            return parse_prices(text).over(built_in_prices())
        except ValueError as error:
            raise InvalidInputError(f"the price list in {self._name} cannot be read: {error}; mend it") from error
