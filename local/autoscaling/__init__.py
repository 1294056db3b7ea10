"""Application Auto Scaling: scalable targets, policies and schedules, recorded and acted on."""
