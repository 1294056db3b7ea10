"""CloudWatch's metrics: samples kept per metric, statistics over periods, metric math, metrics in log lines."""
