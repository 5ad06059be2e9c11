"""Starts and stops Slipway on one machine: Postgres, the broker, web, worker and beat.

Nothing else in the project imports this package, and it imports none of the Django applications: it talks to them
through their commands, their HTTP address and the environment.
"""
