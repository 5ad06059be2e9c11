"""What words a page of deployments: how one stands, what it costs, how it is asked."""
