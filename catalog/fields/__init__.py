"""What a shape owns and what a user may set: the fields, their limits, their words, and what a version freezes."""
