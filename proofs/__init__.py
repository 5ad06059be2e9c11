"""Long proofs by hand, `./run prove NAME`: what needs something from outside, or more time than a test may take."""
