"""Django's backend for Postgres: its pool asks whether a connection is alive only in doubt, and psycopg reads times."""
