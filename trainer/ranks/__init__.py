"""A trainer of several processes, one a GPU: rank 0 speaks HTTP, keeps the records and leads, the others follow.

Every rank is told each operation and runs it, on its part of the sequences and of the parameters.
"""
