"""Weights that are pushed to a directory or a bucket: rows that are their own queue, and what a page says of them."""
