"""Settings, all from the environment (see config/environment.py for each variable)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from csp.constants import NONE, SELF
from kombu.entity import Queue

from accounts.groups import Grants
from accounts.roles import Role
from config import logs, schedule
from config.database_url import database_at
from config.environment import read, set_variables
from config.environment_variable import SettingError
from config.keys import SEALING, SECRET, SIGNING, key_of
from config.shares import shares_of
from wire.client_address import Network

BASE_DIR = Path(__file__).resolve().parent.parent
HOME = Path(read("SLIPWAY_HOME"))
SLIPWAY_HOME = HOME if HOME.is_absolute() else BASE_DIR / HOME
EMBEDDED: bool = read("SLIPWAY_EMBEDDED")

SLIPWAY_STREAMS_AT_ONCE = 1
_shares = shares_of(
    read("SLIPWAY_DATABASE_POOL"),
    streams=SLIPWAY_STREAMS_AT_ONCE,
    pages=read("SLIPWAY_PAGES_AT_ONCE"),
    api=read("SLIPWAY_API_AT_ONCE"),
    gateway=read("SLIPWAY_GATEWAY_AT_ONCE"),
)
SLIPWAY_PAGES_AT_ONCE: int = _shares.pages
SLIPWAY_API_AT_ONCE: int = _shares.api
SLIPWAY_GATEWAY_AT_ONCE: int = _shares.gateway
SLIPWAY_WAITING: int = read("SLIPWAY_WAITING")
SLIPWAY_WAITING_SECONDS: int = read("SLIPWAY_WAITING_SECONDS")
SLIPWAY_ANONYMOUS_PER_MINUTE: int = read("SLIPWAY_ANONYMOUS_PER_MINUTE")
SECRET_KEY = key_of(SLIPWAY_HOME, SECRET, make=EMBEDDED)
SLIPWAY_SEALING_KEYS = tuple(filter(None, key_of(SLIPWAY_HOME, SEALING, make=EMBEDDED).split(",")))
SLIPWAY_SIGNING_KEY = key_of(SLIPWAY_HOME, SIGNING, make=EMBEDDED)
SLIPWAY_CONNECTION_NETWORKS: Sequence[Network] = read("SLIPWAY_CONNECTION_NETWORKS") or ()
DEBUG: bool = read("SLIPWAY_DEBUG")
SLIPWAY_URL: str = read("SLIPWAY_URL") or f"http://127.0.0.1:{read('PORT')}"
_public = urlsplit(SLIPWAY_URL)
_secure = _public.scheme == "https"
ALLOWED_HOSTS = sorted(
    {_public.hostname or "localhost", "localhost", "127.0.0.1", "[::1]", *(read("SLIPWAY_ALLOWED_HOSTS") or ())}
)
CSRF_TRUSTED_ORIGINS = [SLIPWAY_URL]
if EMBEDDED:
    CSRF_TRUSTED_ORIGINS += [f"http://{host}:{read('PORT')}" for host in ("localhost", "127.0.0.1")]

_proxies: int | Sequence[Network] | None = read("SLIPWAY_PROXIES")
# We speak no TLS: only where the address is https some proxy must be in front of us.
SLIPWAY_PROXIES: int | Sequence[Network] = int(_secure) if _proxies is None else _proxies

SLIPWAY_PUBLIC_CATALOG: bool = EMBEDDED if read("SLIPWAY_PUBLIC_CATALOG") is None else read("SLIPWAY_PUBLIC_CATALOG")
SLIPWAY_ADMIN_USER: str = read("SLIPWAY_ADMIN_USER")
SLIPWAY_ADMIN_PASSWORD: str = read("SLIPWAY_ADMIN_PASSWORD")
SLIPWAY_LOCAL_PROVIDER: bool = read("SLIPWAY_LOCAL_PROVIDER")
SLIPWAY_SET_VARIABLES = set_variables()
SLIPWAY_LEAST_FREE_MB: int = read("SLIPWAY_LEAST_FREE_MB")
_first_user, _last_user = map(int, read("SLIPWAY_TRAINER_USERS").split("-"))
SLIPWAY_TRAINER_USERS = (_first_user, _last_user)
SLIPWAY_TRAINER_MEMORY_GB: int | None = read("SLIPWAY_TRAINER_MEMORY_GB")
SLIPWAY_TRAINER_DISK_GB: int | None = read("SLIPWAY_TRAINER_DISK_GB")
SLIPWAY_RECIPES: int = read("SLIPWAY_RECIPES")
SLIPWAY_RECIPE_MEMORY_GB: int = read("SLIPWAY_RECIPE_MEMORY_GB")
SLIPWAY_RECIPE_HOURS: int = read("SLIPWAY_RECIPE_HOURS")
SLIPWAY_TRAINER_FILES: int = read("SLIPWAY_TRAINER_FILES")
SLIPWAY_TRAINER_LOG_MB: int = read("SLIPWAY_TRAINER_LOG_MB")
SLIPWAY_UNCLAIMED_MINUTES: int = read("SLIPWAY_UNCLAIMED_MINUTES")
SLIPWAY_DOWNLOAD_MINUTES: int = read("SLIPWAY_DOWNLOAD_MINUTES")
SLIPWAY_SYNC_MINUTES: int = read("SLIPWAY_SYNC_MINUTES")
SLIPWAY_VALIDATION_STEPS: int = read("SLIPWAY_VALIDATION_STEPS")
SLIPWAY_VALIDATION_WAIT: int = read("SLIPWAY_VALIDATION_WAIT")
SLIPWAY_VALIDATION_TIMEOUT: int = read("SLIPWAY_VALIDATION_TIMEOUT")
SLIPWAY_PASSPORT_DAYS: int = read("SLIPWAY_PASSPORT_DAYS")
SLIPWAY_ADDRESS_DAYS: int = read("SLIPWAY_ADDRESS_DAYS")
SLIPWAY_RECORDS_DAYS: int = read("SLIPWAY_RECORDS_DAYS")
SLIPWAY_DATASETS_GB: int = read("SLIPWAY_DATASETS_GB")
SLIPWAY_CHECKPOINT_RETENTION_DAYS: int = read("SLIPWAY_CHECKPOINT_RETENTION_DAYS")
SLIPWAY_KEY_PER_MINUTE: int = read("SLIPWAY_KEY_PER_MINUTE")
SLIPWAY_INFERENCE_PER_MINUTE: int = read("SLIPWAY_INFERENCE_PER_MINUTE")
SLIPWAY_EVENTS_DAYS: int | None = read("SLIPWAY_EVENTS_DAYS")
SLIPWAY_AUDIT_DAYS: int | None = read("SLIPWAY_AUDIT_DAYS")
SLIPWAY_METRICS_TOKEN: str = read("SLIPWAY_METRICS_TOKEN")
REDIS_URL: str = read("REDIS_URL")
SLIPWAY_OIDC_ISSUER: str = read("SLIPWAY_OIDC_ISSUER")
SLIPWAY_OIDC_NAME: str = read("SLIPWAY_OIDC_NAME")
SLIPWAY_OIDC_GROUPS_CLAIM: str = read("SLIPWAY_OIDC_GROUPS_CLAIM")
SLIPWAY_OIDC_ROLES: Grants = read("SLIPWAY_OIDC_ROLES") or ()
SLIPWAY_OIDC_ONLY: bool = read("SLIPWAY_OIDC_ONLY")
SLIPWAY_OIDC_SESSION_HOURS: int = read("SLIPWAY_OIDC_SESSION_HOURS")
SLIPWAY_OIDC_KEY_DAYS: int = read("SLIPWAY_OIDC_KEY_DAYS")
SLIPWAY_OIDC_MFA: bool = read("SLIPWAY_OIDC_MFA")
SLIPWAY_MFA_ROLES: tuple[Role, ...] = read("SLIPWAY_MFA_ROLES") or ()
_oidc_client: str = read("SLIPWAY_OIDC_CLIENT_ID")
if SLIPWAY_OIDC_ISSUER and not _oidc_client:
    raise SettingError("SLIPWAY_OIDC_CLIENT_ID is not set: give the id that the provider knows this Slipway by")
if SLIPWAY_OIDC_ONLY and not SLIPWAY_OIDC_ISSUER:
    raise SettingError("SLIPWAY_OIDC_ONLY=on is not usable: set SLIPWAY_OIDC_ISSUER, or nobody could sign in")

INSTALLED_APPS = [
    "accounts",  # before Django's own users, whose commands its own stand in for
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.mfa",
    "allauth.usersessions",
    "csp",
    "django_htmx",
    "template_partials",
    "drf_spectacular",
    "catalog",
    "connections",
    "datasets",
    "launches",
    "deployments",
    "publishing",
    "pushes",
    "config",
]

MIDDLEWARE = [
    "config.middleware.answer_probes_by_any_name",
    "django.middleware.security.SecurityMiddleware",
    "config.static.ServeStaticFiles",
    "config.middleware.compress",
    "config.middleware.restrict_content",
    "config.middleware.request_id",
    "config.middleware.keep_answers_private",
    "config.middleware.answer_unchanged",
    "config.middleware.read_as_utf8",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "config.middleware.limit_strangers",
    "accounts.middleware.active_account",
    "accounts.middleware.require_second_factor",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "config.middleware.sign_in_as_a_page",
    "config.middleware.vary_on_htmx",
    "config.middleware.tell_refusals",
    "config.middleware.refuse_unread",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.context.navigation",
            ],
            "builtins": ["config.ui"],
        },
    }
]

DATABASES = {
    "default": database_at(
        read("DATABASE_URL") or "postgres://slipway@127.0.0.1:5432/slipway",
        most=read("SLIPWAY_DATABASE_POOL"),
        wait=read("SLIPWAY_DATABASE_WAIT"),
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "slipway:cache",
        "OPTIONS": {"socket_connect_timeout": 2, "socket_timeout": 2},
    }
}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
] + [{"NAME": "accounts.passwords.GuessableValidator"}]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "catalog"
ACCOUNT_ADAPTER = "accounts.adapter.Adapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "catalog"
ACCOUNT_SESSION_REMEMBER = True
MFA_ADAPTER = "accounts.second_factor.SecondFactorAdapter"
MFA_FORMS = {
    "authenticate": "accounts.second_factor.SignInCode",
    "reauthenticate": "accounts.second_factor.CodeAgain",
    "authenticate_webauthn": "accounts.second_factor.SignInPasskey",
    "reauthenticate_webauthn": "accounts.second_factor.PasskeyAgain",
    "login_webauthn": "accounts.second_factor.PasskeyAlone",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not _secure  # browsers have passkeys on localhost, and else with https alone
MFA_RATE_LIMITS = False  # as of ACCOUNT_RATE_LIMITS; and nobody guesses a passkey
MFA_ALLOW_UNVERIFIED_EMAIL = True  # addresses open nothing here
MFA_TOTP_TOLERANCE = 1
SOCIALACCOUNT_ADAPTER = "accounts.provider.ProviderAdapter"
SOCIALACCOUNT_REAUTHENTICATION_REQUIRED = True
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "SCOPE": read("SLIPWAY_OIDC_SCOPES").split(),
        "APPS": [
            {
                "provider_id": "oidc",
                "name": SLIPWAY_OIDC_NAME,
                "client_id": _oidc_client,
                "secret": read("SLIPWAY_OIDC_CLIENT_SECRET"),
                "settings": {"server_url": SLIPWAY_OIDC_ISSUER},
            }
        ],
    }
}
ACCOUNT_RATE_LIMITS = False  # by name alone, and in the broker; ours is accounts/throttling.py

SLIPWAY_SMTP_URL: str = read("SLIPWAY_SMTP_URL")
_mail = urlsplit(SLIPWAY_SMTP_URL)
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if SLIPWAY_SMTP_URL else 'dummy'}.EmailBackend"
EMAIL_HOST, EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = (
    unquote(part or "") for part in (_mail.hostname, _mail.username, _mail.password)
)
EMAIL_PORT = _mail.port or {"smtps": 465, "smtp+starttls": 587}.get(_mail.scheme, 25)
EMAIL_USE_SSL, EMAIL_USE_TLS = _mail.scheme == "smtps", _mail.scheme == "smtp+starttls"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = read("SLIPWAY_MAIL_FROM") or f"slipway@{_public.hostname}"


def _origin_of(address: str) -> list[str]:
    parts = urlsplit(address)
    return [f"{parts.scheme}://{parts.netloc}"] if address else []


SESSION_COOKIE_AGE = 86_400 * read("SLIPWAY_SESSION_DAYS")
SESSION_ENGINE = "accounts.sessions"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _secure
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 31_536_000 if _secure else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _secure else None
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF, *_origin_of(SLIPWAY_OIDC_ISSUER)],  # where the form of sign-in leads on
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF],
    }
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["api.authentication.KeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["api.parsing.BodyParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "api.parsing.AlwaysJson",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "api.refusals.refuse",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Slipway",
    "DESCRIPTION": "Training shapes and trainer jobs, as the public training control plane's API answers.",
    "VERSION": "v1",
    "SCHEMA_PATH_PREFIX": "/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_NO_READ_ONLY_REQUIRED": True,  # a read mask leaves out any field
    "ENUM_NAME_OVERRIDES": {
        "JobState": "launches.api.resources.STATES",
        "DeploymentState": "deployments.api.resources.STATES",
        "DatasetState": "datasets.api.resources.STATES",
        "DatasetFormat": "datasets.api.resources.FORMATS",
        "TrainerMode": "catalog.api.resources.MODES",
        "AcceleratorType": "catalog.api.resources.ACCELERATORS",
        "WeightPrecision": "catalog.api.resources.PRECISIONS",
        "Code": "api.schema.CODES",
    },
}

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = "config.formats"

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
_built_in = BASE_DIR / "staticfiles"  # as an image has them
STATIC_ROOT = _built_in if _built_in.exists() and not EMBEDDED else SLIPWAY_HOME / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage" if DEBUG else "config.static.StaticFiles"
    },
}

# Short broker options: publishing a hint while the broker is down must fail at once (one that hangs costs seconds),
# because a row that is due is found by the sweep anyway.
CELERY_BROKER_URL = REDIS_URL
CELERY_BROKER_TRANSPORT = "config.transport:Transport"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": 2,
    "socket_timeout": 5,
    "max_retries": 1,
    "visibility_timeout": 60,
    "global_keyprefix": "slipway:",
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "slipway"
CELERY_TASK_QUEUES = [Queue("slipway"), Queue(schedule.PULSE_QUEUE)]  # type: ignore[no-untyped-call]
CELERY_TASK_TIME_LIMIT = 120
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_DB_REUSE_MAX = 10_000  # tasks for which a worker keeps its pool; Celery would connect anew for each
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TIMEZONE = "UTC"
CELERY_IMPORTS = ["config.pulses", "config.tidying"]
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"  # keeps no file: whatever it sends is due within the hour
CELERY_BEAT_SCHEDULE = schedule.SCHEDULE
CELERY_TASK_ROUTES = schedule.ROUTES

read("SLIPWAY_LOG_FORMAT")
logs.configure()
LOGGING = logs.logging_of(read("SLIPWAY_LOG_LEVEL"))
