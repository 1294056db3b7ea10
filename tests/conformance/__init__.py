"""The conformance suite: what AWS's documents say of SageMaker's endpoints, asked of any target that answers boto3."""
