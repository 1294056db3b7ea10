"""An UpdateEndpoint from its acceptance to its end: the new config serves, or the old one again, or a mix of both."""

import logging

from local.faults import EndpointFailure, EndpointFault
from local.sagemaker.deployments import blue_green, rolling, traffic
from local.sagemaker.deployments.deployment import Deployment, RollbackFailedError
from local.sagemaker.deployments.guard import DeploymentFailedError, StoppingError
from local.sagemaker.errors import AwsError
from local.sagemaker.fleets.launcher import LaunchError
from local.sagemaker.statuses import EndpointStatus

BROKEN = "InternalFailure: the embedded SageMaker broke; see its log."

logger = logging.getLogger(__name__)


class Update:
    """`carry_out` leaves the endpoint in a status that takes another operation, unless everything stops."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._journal = deployment.journal
        self._endpoint = deployment.journal.endpoint
        strategy = rolling if deployment.policy.rolling else blue_green
        self._move, self._move_back = strategy.move, strategy.go_back

    def carry_out(self) -> None:
        new = self._deployment.new
        try:
            self._deployment.guard.check_alarms("before the deployment began")
            self._move(self._deployment)
        except StoppingError:
            new.end()
            raise
        except (DeploymentFailedError, LaunchError, AwsError) as failure:
            self._go_back(str(failure))
        except Exception:
            logger.exception("the update of endpoint %s broke", self._endpoint.name)
            self._go_back(BROKEN)
        else:
            self._journal.end(EndpointStatus.IN_SERVICE, config_name=new.config_name, fleets=(new,))

    def _go_back(self, reason: str) -> None:
        try:
            self._raise_if_told_to_fail()
            self._move_back(self._deployment)
        except StoppingError:
            self._deployment.new.end()
            raise
        except RollbackFailedError as failure:
            self._stay_mixed(f"{reason} The rollback failed: {failure}")
        except Exception:
            logger.exception("the rollback of endpoint %s broke", self._endpoint.name)
            self._stay_mixed(f"{reason} The rollback failed: {BROKEN}")
        else:
            self._be_back(reason)

    def _be_back(self, reason: str) -> None:
        if self._strikes(EndpointFailure.UPDATE_FAILS):
            self._journal.route(())
            self._journal.end(EndpointStatus.FAILED, reason)
            return
        fleets = self._journal.drop_empty(self._deployment.old)
        status = EndpointStatus.UPDATE_ROLLBACK_FAILED if fleets[1:] else EndpointStatus.IN_SERVICE
        said = reason if self._deployment.behaviour.rollback_says_why else None
        self._journal.end(status, said, fleets=fleets)

    def _stay_mixed(self, reason: str) -> None:
        fleets = self._journal.drop_empty((*self._deployment.old, self._deployment.new))
        self._journal.route(traffic.whole(fleets))
        self._journal.end(EndpointStatus.UPDATE_ROLLBACK_FAILED, reason, fleets=fleets)

    def _raise_if_told_to_fail(self) -> None:
        if self._deployment.new_runs and self._strikes(EndpointFailure.ROLLBACK_FAILS):
            raise RollbackFailedError("A fault says so.")

    def _strikes(self, failure: EndpointFailure) -> bool:
        return self._deployment.faults.strike(EndpointFault, failure, endpoint=self._endpoint.name) is not None
