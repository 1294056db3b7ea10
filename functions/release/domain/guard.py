"""What the guard alarm calls proof that green fails: enough errors, too large a part, and not for one minute alone.

It is the coarse net that SageMaker holds without us; the judge of the bake has the finer one. One lost answer in a
quiet minute must not undo a release, and a green that fails everything must not need customers to be found out. Sized
for a service of which one answer in a hundred fails whoever serves: over a bake of an hour the guard then undoes fewer
than one sound release in a hundred, however busy the endpoint is, if it is asked twice a minute. The judge does that.
"""

PERIOD_S = 60
"""SageMaker publishes invocations once a minute, unless metrics are enhanced. Source: Monitoring SageMaker AI with
CloudWatch."""
PERIODS, BREACHING = 3, 2
"""Two minutes of the last three; a bake needs four minutes to be guarded, five with the alarm's own delay."""
MIN_ERRORS = 3
MIN_SHARE_PERCENT = 10

ERRORS, REQUESTS = "errors", "requests"
EXPRESSION = (
    f"IF({ERRORS} * 100 >= {MIN_SHARE_PERCENT} * {REQUESTS} AND ({ERRORS} >= {MIN_ERRORS} OR {ERRORS} >= {REQUESTS})"
    f" AND {ERRORS} >= 1, 1, 0)"
)
"""CloudWatch metric math over a minute's sums: 1 where a tenth failed, and three at least or all that were asked."""
