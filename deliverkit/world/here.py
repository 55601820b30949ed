"""The machine we look from, as far as it can be told without a packet: for comparing two places.

What this file will not do: connect to anything, or read more of the process's environment than which variables are set.
"""

from __future__ import annotations

import os
import platform
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from deliverkit.world.resolvers import NoNameserver, system_servers

_PLATFORMS = (  # documented by the platforms as set in every process
    ("VERCEL", "vercel"),
    ("NETLIFY", "netlify"),
    ("AWS_LAMBDA_FUNCTION_NAME", "aws-lambda"),
    ("K_SERVICE", "cloud-run"),
    ("DYNO", "heroku"),
    ("RENDER", "render"),
    ("FLY_APP_NAME", "fly"),
    ("RAILWAY_ENVIRONMENT", "railway"),
    ("WEBSITE_SITE_NAME", "azure-app-service"),
    ("DIGITALOCEAN_APP_ID", "digitalocean"),
    ("GITHUB_ACTIONS", "github-actions"),
    ("GITLAB_CI", "gitlab-ci"),
    ("ECS_CONTAINER_METADATA_URI_V4", "aws-ecs"),
    ("KUBERNETES_SERVICE_HOST", "kubernetes"),
)
_TRUST_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE")
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")  # what OpenSSL looks for in a folder of certificates
_MOST = 100_000  # files of a folder


@dataclass(frozen=True, slots=True)
class Here:
    """``trust_certificates`` is how many CAs OpenSSL's own store holds, None where nobody could count them."""

    python: str = ""
    openssl: str = ""
    system: str = ""
    hostname: str = ""
    resolvers: tuple[str, ...] = ()
    source_addresses: tuple[str, ...] = ()
    trust_path: str | None = None
    trust_certificates: int | None = None
    trust_variables: tuple[str, ...] = ()
    platform: str | None = None
    container: bool = False


def look_around(environ: Mapping[str, str] | None = None) -> Here:
    """What this machine is. No packet leaves it."""
    from deliverkit.world.live import source_addresses

    own = os.environ if environ is None else environ
    try:
        resolvers = tuple(map(str, system_servers()))
    except NoNameserver:
        resolvers = ()
    path, count = _trust()
    return Here(
        python=platform.python_version(),
        openssl=ssl.OPENSSL_VERSION.split()[1] if " " in ssl.OPENSSL_VERSION else ssl.OPENSSL_VERSION,
        system=f"{platform.system()} {platform.machine()}",
        hostname=platform.node(),
        resolvers=resolvers,
        source_addresses=source_addresses(),
        trust_path=path,
        trust_certificates=count,
        trust_variables=tuple(name for name in _TRUST_VARIABLES if own.get(name)),
        platform=next((name for variable, name in _PLATFORMS if own.get(variable)), None),
        container=Path("/.dockerenv").exists() or Path("/run/.containerenv").exists(),
    )


def _trust() -> tuple[str | None, int | None]:
    """Where OpenSSL's certificates stand, and how many there are: in the file, else in the folder."""
    paths = ssl.get_default_verify_paths()
    try:
        in_file = ssl.create_default_context().cert_store_stats()["x509_ca"]
    except (OSError, ssl.SSLError):
        in_file = 0
    in_folder = 0
    try:
        if paths.capath:
            with os.scandir(paths.capath) as entries:
                in_folder = sum(bool(_HASHED.fullmatch(entry.name)) for entry in islice(entries, _MOST))
    except OSError:
        pass
    if in_file or not in_folder:
        return paths.cafile or paths.capath or paths.openssl_cafile, in_file
    return paths.capath, in_folder
