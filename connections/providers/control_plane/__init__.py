"""Another control plane of the public wire as a connection: its shapes and its GPUs, our launch pages.

`names` and `states` are pure: ids there, and what their states mean here. `refusals` sorts what is refused. `client`
speaks HTTP over `transport`, which connects only to where it may. `jobs` brings a spec to a request and an answer to an
observation, `deployments` does that of samplers; `readiness` says whose healthz is asked; `provider` is the protocol,
`samplers` that of samplers.

Source of all names, paths and states: the public wire, as docs/API.md describes it, and the official SDK's requests.
"""
