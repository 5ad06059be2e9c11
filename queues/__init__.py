"""Rows that are their own queue: leased, due, and hinted at over the broker, which may lose every hint."""
