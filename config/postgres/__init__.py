"""Django's backend for Postgres, with a pool that asks whether a connection is alive only where that is in doubt."""
