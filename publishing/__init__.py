"""Making, validating and publishing training shapes: the pages of publishers."""
