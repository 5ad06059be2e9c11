"""nginx and Caddy as deploy/proxy has them, on ports of this machine and in front of whatever listens at addresses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from embedded.addresses import free_port
from embedded.proxies import find_proxy

PROXY = Path(__file__).resolve().parent.parent / "deploy" / "proxy"
NAME = "slipway.example"
EXAMPLE = "127.0.0.1:8000"
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def nginx(folder: Path, port: int, certificate: Path, addresses: Sequence[str]) -> list[str]:
    """The command that starts it; its files are written to the folder, its port is one with TLS."""
    text = (PROXY / "nginx.conf").read_text()
    (line,) = [line for line in text.splitlines() if EXAMPLE in line]
    text = text.replace(line, "\n".join(line.replace(EXAMPLE, address) for address in addresses))
    text = text.replace("listen 80;", f"listen 127.0.0.1:{free_port()};").replace("443 ssl", f"127.0.0.1:{port} ssl")
    text = text.replace("/var/log/nginx/", f"{folder}/")
    for word in ("fullchain.pem", "privkey.pem"):
        text = text.replace(f"/etc/ssl/slipway/{word}", str(certificate))
    (folder / "site.conf").write_text(text)
    (folder / "slipway-proxy.conf").write_text((PROXY / "slipway-proxy.conf").read_text())
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in TEMPORARY)
    http = f"http {{ access_log {folder}/access.log; {temporary} include site.conf; }}"
    whole = f"pid {folder}/pid; daemon off; error_log {folder}/error.log; events {{}} {http}"
    (folder / "nginx.conf").write_text(whole)
    return [find_proxy("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, port: int, certificate: Path, addresses: Sequence[str]) -> list[str]:
    """The same of Caddy."""
    text = (PROXY / "Caddyfile").read_text().replace(EXAMPLE, " ".join(addresses))
    text = text.replace(f"{NAME} {{", f"{NAME}:{port} {{\n\tbind 127.0.0.1\n\ttls {certificate} {certificate}", 1)
    options = "\n{\n\tadmin off\n\tauto_https disable_redirects\n\tgrace_period 1s\n"
    (folder / "Caddyfile").write_text(text.replace("\n{\n", options, 1))
    return [find_proxy("caddy"), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
