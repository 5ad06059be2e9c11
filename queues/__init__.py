"""What waits: rows that are their own queue, leased, due, and hinted at over the broker; requests for their turn."""
