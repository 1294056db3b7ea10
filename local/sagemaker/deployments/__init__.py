"""Deployments: how a policy moves capacity and traffic from one fleet to the next, and what brings them back.

- `admission`: which operation an endpoint takes in which status.
- `policy`: a DeploymentConfig, read.
- `deployer`: one thread for each operation in progress.
- `blue_green`, `rolling`, `scaling`, `maintenance`: what those threads do.
- `guard`: the alarms and the time limit that end a deployment.
- `journal`: the only writer of an endpoint's record; `announcer`: the events about it.

Locks. An endpoint's `lock` guards what DescribeEndpoint tells of it. An operation is judged, accepted and written down
under it, so two callers cannot both begin one. From then until the status is no longer in progress the operation's own
thread is the only writer, and it takes the lock for each change and for nothing that waits: no launch, no bake and no
event happens under it. `traffic` is a tuple that is replaced whole, so requests read it without the lock. Fleets have
locks of their own, which are taken after an endpoint's and never before.
"""
