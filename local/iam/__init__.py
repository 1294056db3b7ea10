"""IAM: who may do what in the embedded AWS. `policy` and `conditions` are the language, `Iam` is the judge."""

from local.iam.errors import AccessDeniedError, ExpiredTokenError, UnknownCredentialsError
from local.iam.judge import Iam
from local.iam.keys import sagemaker_keys

__all__ = ["AccessDeniedError", "ExpiredTokenError", "Iam", "UnknownCredentialsError", "sagemaker_keys"]
