"""A model's files from a hub that speaks Hugging Face's protocol, into a directory that is whole or absent.

Nothing is believed before it is compared: sizes and digests are those that the hub's list of files tells, sha256 of
large ones and git's of small ones. What broke off is gone on with.
"""
