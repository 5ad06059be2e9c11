"""A sampler that loads nothing: it listens, answers its healthz, and ends as it is told."""
