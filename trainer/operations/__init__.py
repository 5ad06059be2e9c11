"""The operations of a trainer: each takes the trainer's parts and one checked request, and answers a JSON object.

They run one at a time, in the order in which they were submitted, in one thread. Clients reach them over HTTP and the
bundled recipe from within; both through the same queue.
"""
