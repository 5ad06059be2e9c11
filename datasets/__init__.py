"""Datasets: the files that recipes train on; taken in pieces, checked once, and never changed after."""
