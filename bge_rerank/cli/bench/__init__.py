"""The benchmark: this package beside others on the same weights, pairs and cores. An application: the core knows nothing of it."""
