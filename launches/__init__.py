"""Launches, their attempts and events, and the state machine."""
