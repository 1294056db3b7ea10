"""The SageMaker twin: asynchronous statuses, blue/green deployments and a data plane of real processes."""

from local.sagemaker.twin import SageMakerTwin

__all__ = ["SageMakerTwin"]
