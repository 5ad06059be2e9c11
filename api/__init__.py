"""What the resources of the control plane's API (/v1) share: keys, refusals, lists, masks. No models."""
