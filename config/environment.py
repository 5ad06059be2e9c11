"""Every environment variable that Slipway reads, with its type, default and meaning.

One registry, so that the documentation, the compose file and the settings cannot drift apart.
A value that does not parse raises `SettingError` with the variable, the value and the remedy.
"""

from __future__ import annotations

import os
from typing import Any

from accounts.groups import read_grants
from config.environment_variable import Setting
from config.parsers import (
    address,
    fernet_keys,
    flag,
    hosts,
    issuer,
    log_format,
    log_level,
    mail_server,
    positive,
    proxies,
    roles,
    seconds,
    signing_key,
    user_ids,
    whole,
)
from wire.client_address import read_networks

_SETTINGS = [
    Setting(
        "DATABASE_URL",
        str,
        "",
        "Postgres: postgres://user:password@host:port/name. Embedded server where not set.",
        is_secret=True,
    ),
    Setting(
        "SLIPWAY_DATABASE_POOL",
        whole,
        10,
        "Connections to Postgres that one process keeps at most; 0 for one a thread, as a pooler in front needs.",
    ),
    Setting(
        "SLIPWAY_DATABASE_WAIT",
        seconds,
        2.0,
        "Seconds that a request waits for a connection to Postgres, before it is answered with 503.",
    ),
    Setting(
        "REDIS_URL",
        str,
        "redis://127.0.0.1:6379/0",
        "Redis or Valkey: redis://:password@host:port/0. Embedded server where not set.",
        is_secret=True,
    ),
    Setting("SLIPWAY_HOME", str, "var", "Folder of all state: databases, logs, trainers, the secret key."),
    Setting("PORT", positive, 8000, "Port of the web server."),
    Setting(
        "SLIPWAY_URL", address, "", "Public address; decides allowed hosts, CSRF origins, secure cookies and snippets."
    ),
    Setting(
        "SLIPWAY_ALLOWED_HOSTS",
        hosts,
        None,
        "Other host names, between commas, under which it may be asked; .example allows all below it.",
    ),
    Setting(
        "SLIPWAY_PROXIES",
        proxies,
        None,
        "The proxies in front, whose word on a client's address is believed: how many one behind another, "
        "or their addresses and networks between commas.",
    ),
    Setting(
        "SLIPWAY_SECRET_KEY",
        str,
        "",
        "Django's secret key, 32 characters or more: `openssl rand -hex 32` prints one. Where not set, the one that "
        "./run or `manage make_keys` made and kept in SLIPWAY_HOME.",
        is_secret=True,
    ),
    Setting(
        "SLIPWAY_PAGES_AT_ONCE",
        positive,
        None,
        "Pages that one web process makes at once; the others wait. Where not set 3, or two fifths of its connections.",
    ),
    Setting(
        "SLIPWAY_API_AT_ONCE",
        positive,
        None,
        "Requests to the API that it serves at once; the others wait. Two fifths of its connections where not set.",
    ),
    Setting(
        "SLIPWAY_GATEWAY_AT_ONCE",
        positive,
        None,
        "Requests to trainers and samplers that it looks up at once. A fifth of its connections where not set.",
    ),
    Setting(
        "SLIPWAY_WAITING",
        positive,
        64,
        "Pages that may wait in one web process, and as many requests to the API; more are refused with 503 at once.",
    ),
    Setting("SLIPWAY_WAITING_SECONDS", positive, 5, "Seconds that each of them waits at most, before it gets a 503."),
    Setting(
        "SLIPWAY_ANONYMOUS_PER_MINUTE",
        positive,
        600,
        "Requests a minute that one web process serves to one address of readers who are not signed in; more get 429.",
    ),
    Setting(
        "SLIPWAY_KEY_PER_MINUTE",
        positive,
        6000,
        "Requests a minute to the API that one web process serves to one key; more get 429.",
    ),
    Setting(
        "SLIPWAY_INFERENCE_PER_MINUTE",
        positive,
        12_000,
        "The same of requests to samplers: completions, chats, loads.",
    ),
    Setting(
        "SLIPWAY_SEALING_KEYS",
        fernet_keys,
        None,
        "Fernet keys, between commas, that seal the secrets of connections: the first seals, each opens. "
        "Where not set, the one kept in SLIPWAY_HOME.",
        is_secret=True,
    ),
    Setting(
        "SLIPWAY_SIGNING_KEY",
        signing_key,
        "",
        "Private key (ECDSA on P-256, PEM) that signs the manifests of models. Where not set, the one kept in "
        "SLIPWAY_HOME.",
        is_secret=True,
    ),
    Setting(
        "SLIPWAY_CONNECTION_NETWORKS",
        read_networks,
        None,
        "Private networks, between commas, that connections may be on; 127.0.0.0/8 allows this machine. "
        "Else they reach public addresses only.",
    ),
    Setting("SLIPWAY_DEBUG", flag, False, "Django's debug mode; never on a public address."),
    Setting("SLIPWAY_EMBEDDED", flag, False, "Set by ./run: defaults suited to one machine."),
    Setting(
        "SLIPWAY_PUBLIC_CATALOG",
        flag,
        None,
        "Whether the catalog is readable without signing in (on under ./run, else off).",
    ),
    Setting("SLIPWAY_ADMIN_USER", str, "admin", "User name of the first admin."),
    Setting(
        "SLIPWAY_ADMIN_PASSWORD",
        str,
        "",
        "Password of the first admin. Made and printed once where not set.",
        is_secret=True,
    ),
    Setting(
        "SLIPWAY_SMTP_URL",
        mail_server,
        "",
        "Mail server that sends invitations to their addresses: smtp://, smtps:// or smtp+starttls://, "
        "user:password@host:port. Links are handed over by hand where not set.",
        is_secret=True,
    ),
    Setting("SLIPWAY_MAIL_FROM", str, "", "Address that mails come from (slipway@ and the host of SLIPWAY_URL)."),
    Setting("SLIPWAY_LOCAL_PROVIDER", flag, True, "Whether trainers may run on trainer-host's machine."),
    Setting(
        "SLIPWAY_LOCAL_SLOTS",
        positive,
        2,
        "How many local trainers run at a time; the others wait in PENDING. One of several replicas takes a slot for "
        "each.",
    ),
    Setting("SLIPWAY_LOCAL_SAMPLERS", positive, 1, "How many local samplers run at a time; the others wait."),
    Setting(
        "SLIPWAY_LEAST_FREE_MB",
        positive,
        500,
        "Free space of the disk, in MB, below which no launch is accepted and no trainer is started.",
    ),
    Setting("SLIPWAY_TRAINER_BIND", str, "127.0.0.1", "Address that local trainers listen on."),
    Setting("SLIPWAY_TRAINER_HOST", str, "127.0.0.1", "Host under which web and worker reach local trainers."),
    Setting(
        "SLIPWAY_TRAINER_ENV",
        str,
        "",
        "Folder of the trainer's Python environment, made by the first launch (trainer-env in SLIPWAY_HOME).",
    ),
    Setting(
        "SLIPWAY_TRAINER_USERS",
        user_ids,
        "20000-59999",
        "User ids for local trainers, one a job, where Slipway runs as root; those that a person has are left out.",
    ),
    Setting(
        "SLIPWAY_TRAINER_MEMORY_GB",
        positive,
        None,
        "Memory that one local trainer may use, in GB; it is ended beyond. Nine tenths of the machine's where not set.",
    ),
    Setting(
        "SLIPWAY_TRAINER_DISK_GB",
        positive,
        None,
        "What one local job may keep on the disk, in GB; its trainer is ended beyond. Nine tenths of it where not set.",
    ),
    Setting("SLIPWAY_TRAINER_FILES", positive, 100_000, "How many files one local job may keep."),
    Setting("SLIPWAY_TRAINER_LOG_MB", positive, 64, "How much of a local trainer's log is kept, in MB."),
    Setting("SLIPWAY_RECIPES", positive, 2, "How many recipes run at a time beside trainers."),
    Setting("SLIPWAY_RECIPE_MEMORY_GB", positive, 8, "Memory that one such recipe may use, in GB; it is ended beyond."),
    Setting(
        "SLIPWAY_RECIPE_HOURS",
        positive,
        24,
        "Hours after which such a recipe is ended, from when it has a slot, its environment included.",
    ),
    Setting(
        "SLIPWAY_UNCLAIMED_MINUTES",
        positive,
        10,
        "Minutes that the trainer of an API job without inactivityTimeout, once ready, waits for its first session.",
    ),
    Setting("SLIPWAY_DOWNLOAD_MINUTES", positive, 15, "Minutes for which a signed link to a download works."),
    Setting(
        "SLIPWAY_SYNC_MINUTES",
        positive,
        60,
        "Minutes after which the catalog of a connection that has one is looked at again.",
    ),
    Setting("SLIPWAY_VALIDATION_STEPS", positive, 20, "Steps that a validation of a shape version runs."),
    Setting(
        "SLIPWAY_VALIDATION_WAIT",
        positive,
        1440,
        "Minutes that a validation may wait for its trainer to be started; then it is stopped and counts as failed.",
    ),
    Setting(
        "SLIPWAY_VALIDATION_TIMEOUT",
        positive,
        60,
        "Minutes from the start of its trainer after which a validation is stopped and counts as failed.",
    ),
    Setting("SLIPWAY_PASSPORT_DAYS", positive, 90, "Days for which what a validation measured counts as fresh."),
    Setting(
        "SLIPWAY_ADDRESS_DAYS",
        positive,
        90,
        "Days after which the audit log forgets from which addresses and by which programs things were done, "
        "and where users signed in.",
    ),
    Setting(
        "SLIPWAY_DATASETS_GB",
        positive,
        20,
        "What the datasets of one account may take on the disk, in GB; more is refused.",
    ),
    Setting("SLIPWAY_SESSION_DAYS", positive, 14, "Days for which somebody stays signed in."),
    Setting(
        "SLIPWAY_OIDC_ISSUER",
        issuer,
        "",
        "Identity provider (OpenID Connect) by which people sign in; its address as its discovery document has it.",
    ),
    Setting("SLIPWAY_OIDC_CLIENT_ID", str, "", "Id of this Slipway as a client of the provider."),
    Setting("SLIPWAY_OIDC_CLIENT_SECRET", str, "", "Its secret; none for a public client with PKCE.", is_secret=True),
    Setting("SLIPWAY_OIDC_NAME", str, "single sign-on", "What the provider is called on the pages."),
    Setting("SLIPWAY_OIDC_SCOPES", str, "openid profile email", "Scopes that are asked for, with blanks between."),
    Setting("SLIPWAY_OIDC_GROUPS_CLAIM", str, "groups", "The claim that lists a person's groups."),
    Setting(
        "SLIPWAY_OIDC_ROLES",
        read_grants,
        None,
        "What groups give, between commas: group=account:role, and group=superuser. Where it is set, "
        "who is in none of these groups and has no role otherwise is not let in.",
    ),
    Setting(
        "SLIPWAY_OIDC_ONLY",
        flag,
        False,
        "Whether people sign in by the provider alone; of passwords only that of SLIPWAY_ADMIN_USER opens then.",
    ),
    Setting(
        "SLIPWAY_OIDC_SESSION_HOURS",
        positive,
        12,
        "Hours after which somebody who signed in by the provider does so again.",
    ),
    Setting(
        "SLIPWAY_OIDC_KEY_DAYS",
        positive,
        30,
        "Days after somebody's last sign-in by the provider for which their API keys open anything.",
    ),
    Setting(
        "SLIPWAY_OIDC_MFA",
        flag,
        False,
        "Whether the provider asks everybody for a second factor; then none is asked for here after it. "
        "A sign-in whose claim amr names mfa counts so in any case.",
    ),
    Setting(
        "SLIPWAY_MFA_ROLES",
        roles,
        None,
        "Roles, between commas, whose holders sign in with a second factor; superusers count as admin.",
    ),
    Setting(
        "SLIPWAY_RECORDS_DAYS",
        positive,
        365,
        "Days after its end for which an attempt's metrics, log and folder are kept, and what samplers put on record; "
        "checkpoints stay as long as the launch does.",
    ),
    Setting(
        "SLIPWAY_EVENTS_DAYS",
        positive,
        None,
        "Days after which lines of the timelines of launches that are over are removed; they are kept where not set.",
    ),
    Setting(
        "SLIPWAY_AUDIT_DAYS",
        positive,
        None,
        "Days after which entries of the audit log are removed; they are kept where not set.",
    ),
    Setting(
        "SLIPWAY_CHECKPOINT_RETENTION_DAYS",
        positive,
        30,
        "Days after a launch was deleted for which its checkpoints are kept, where its account says nothing else.",
    ),
    Setting("SLIPWAY_LOG_LEVEL", log_level, "INFO", "Least level that is logged."),
    Setting("SLIPWAY_LOG_FORMAT", log_format, "logfmt", "How lines of the log are written: logfmt or json."),
    Setting(
        "SLIPWAY_METRICS_TOKEN",
        str,
        "",
        "Bearer token that opens /metrics to Prometheus; there is no such address where not set.",
        is_secret=True,
    ),
]

KNOWN: dict[str, Setting] = {setting.name: setting for setting in _SETTINGS}


def read(name: str) -> Any:
    """The value of a known variable. Errors: `KeyError` for a name that is not in the registry, `SettingError`."""
    return KNOWN[name].read()


def set_variables() -> dict[str, str]:
    """What stands in the environment, by variable, secrets left out. Errors: `SettingError` for what cannot be used."""
    return {
        name: os.environ[name]
        for name, setting in KNOWN.items()
        if os.environ.get(name, "") != "" and not setting.is_secret and setting.read() is not None
    }
