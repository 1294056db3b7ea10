"""Every AWS call of every path of a rollout fails once in every way; what the world looks like afterwards is judged."""
