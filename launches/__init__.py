"""Launches, their attempts and events, the state machine, the providers that run them."""
