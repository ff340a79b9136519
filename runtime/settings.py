"""Settings of the process: environment variables ``AICALL_…``, else ``aicall.yaml``, else the defaults below."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

from models.errors import InvalidField
from runtime.phone_settings import PhoneSettings

CONFIG_FILE = "aicall.yaml"
"""Read from the working directory; a file with an unknown key is refused."""

ENV_PREFIX = "AICALL_"

BASE_URL_PREFIX = "AICALL_BASE_URL_"
"""Beginning of the variables that point a vendor elsewhere; the adapters read them, not these settings."""

ENVIRONMENT_ONLY = frozenset({"AICALL_ALLOW_PRIVATE_ENDPOINTS", "AICALL_MODELS_DIR"})
"""Further variables that the adapters read."""

Admission = Literal["auto", "fixed"]
LogLevel = Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
Seconds = Annotated[float, Field(gt=0, le=604_800, allow_inf_nan=False)]
SecondsOrNone = Annotated[float, Field(ge=0, le=604_800, allow_inf_nan=False)]


def default_data_dir() -> Path:
    """Return where this platform keeps a user's application data, plus ``aicall``."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "aicall"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "aicall"
    # The XDG base directory specification has relative paths ignored.
    base = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".local" / "share") / "aicall"


def _check_public_url(value: str) -> str:
    scheme, separator, rest = value.partition("://")
    if value and (scheme not in {"http", "https", "ws", "wss"} or not separator or not rest.strip("/")):
        raise ValueError("must be an http(s):// or ws(s):// URL")
    if "?" in value or "#" in value:
        raise ValueError("must have no query and no fragment")
    return value.rstrip("/")


def _expand_home(value: Path) -> Path:
    return value.expanduser()


class Settings(PhoneSettings):
    """Everything that can be set. `describe_settings` prints it; ``docs/settings.md`` explains it."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        yaml_file=CONFIG_FILE,
        extra="forbid",
        frozen=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8080, ge=0, le=65_535, description="Port to listen on; 0 picks a free one.")
    data_dir: Annotated[Path, AfterValidator(_expand_home)] = Field(
        default_factory=default_data_dir, description="Folder of the database and the generated keys."
    )
    database: str = Field(
        default="",
        repr=False,
        description="A file, or postgresql://USER:PASSWORD@HOST/NAME; empty for a SQLite file in the data folder.",
    )
    api_key: SecretStr = Field(
        default=SecretStr(""), description="Bearer key of the HTTP API; empty to generate one in the data folder."
    )
    secret_key: SecretStr = Field(
        default=SecretStr(""), description="Fernet key that encrypts stored secrets; empty for one in the data folder."
    )
    public_url: Annotated[str, AfterValidator(_check_public_url)] = Field(
        default="", description="URL under which phone systems reach this server; empty to take it from each request."
    )
    max_calls: int = Field(default=0, ge=0, description="Most calls at the same time; 0 for no fixed limit.")
    admission: Admission = Field(
        default="auto",
        description="auto also refuses calls that the process has no time for; fixed knows max_calls only.",
    )
    start_timeout_s: Seconds = Field(default=5.0, description="Longest wait for a stream's first messages, seconds.")
    media_idle_timeout_s: Seconds = Field(
        default=10.0, description="A call without any media frame for this long is ended, seconds."
    )
    max_duration_s: Seconds = Field(default=3600.0, description="Longest call, unless the AI says otherwise, seconds.")
    idle_timeout_s: Seconds = Field(
        default=15.0, description="Silence after which the caller is asked, unless the AI says otherwise, seconds."
    )
    stt_stall_s: Seconds = Field(
        default=1.5,
        description="Longest wait for any result of the recogniser after the caller fell silent, seconds.",
    )
    llm_stall_s: Seconds = Field(
        default=5.0, description="Longest wait for the model's next token, the first included, seconds."
    )
    tts_stall_s: Seconds = Field(
        default=3.0, description="Longest wait for the voice's next audio, the first included, seconds."
    )
    text_stall_s: Seconds = Field(
        default=20.0, description="Longest wait for the next token where the model answers in writing, seconds."
    )
    conversation_max_age_s: Seconds = Field(
        default=604_800.0, description="When a conversation is ended, unless the AI says otherwise, seconds."
    )
    smtp_url: SecretStr = Field(
        default=SecretStr(""),
        description="Mail server of the tool send_email: smtp[s]://[USER:PASSWORD@]HOST[:PORT]; empty for none.",
    )
    smtp_from: str = Field(default="", description="Address from which the tool send_email sends.")
    tool_webhook_url: str = Field(
        default="",
        description="URL that connect_call, create_call, stop_flow and send_message are posted to; empty for none.",
    )
    tool_webhook_secret: SecretStr = Field(
        default=SecretStr(""), description="Secret that signs what is posted to tool_webhook_url (Standard Webhooks)."
    )
    embeddings_base_url: str = Field(
        default="",
        description="OpenAI-compatible endpoint for the vectors of knowledge bases; empty to search by words alone.",
    )
    embeddings_api_key: SecretStr = Field(default=SecretStr(""), description="Key of the endpoint for vectors.")
    embeddings_model: str = Field(default="text-embedding-3-small", description="Model that makes the vectors.")
    teardown_timeout_s: Seconds = Field(default=5.0, description="Hard limit for releasing a call, seconds.")
    media_token_ttl_s: Seconds = Field(
        default=3600.0, description="How long the media_url of an AIcall can be used to connect, seconds."
    )
    drain_timeout_s: Seconds = Field(
        default=3600.0, description="On SIGTERM, how long live calls may go on before they are ended, seconds."
    )
    nats_url: SecretStr = Field(
        default=SecretStr(""), description="NATS servers that get every event by JetStream, nats://HOST:4222; or empty."
    )
    nats_stream: str = Field(default="AICALL", description="JetStream stream of the events; made if it is missing.")
    nats_subject_prefix: str = Field(
        default="aicall.events", description="What stands before an event's type in its NATS subject."
    )
    nats_credentials: str = Field(default="", description="File with NATS credentials (JWT and seed).")
    webhook_timeout_s: Seconds = Field(default=10.0, description="Longest a webhook may take to answer, seconds.")
    webhook_max_attempts: int = Field(
        default=15, ge=1, description="Attempts after which an event becomes a webhook's dead letter."
    )
    webhook_max_age_s: Seconds = Field(
        default=86_400.0, description="Time after which an event that failed becomes a dead letter, seconds."
    )
    event_heartbeat_s: Seconds = Field(
        default=15.0, description="Pause after which an idle event stream sends a comment, seconds."
    )
    lease_s: Seconds = Field(
        default=10.0,
        description="A process that has not said for this long that it lives is taken for dead, seconds; "
        "the same in all processes on one database.",
    )
    reattach_grace_s: SecondsOrNone = Field(
        default=10.0,
        description="How long a phone system may take to connect again after its socket was lost, seconds; "
        "0 ends the call at once.",
    )
    sweep_interval_s: Seconds = Field(
        default=5.0, description="Pause between two searches for AIcalls that nobody connected to, seconds."
    )
    log_level: LogLevel = Field(default="INFO", description="Least severe level that is logged.")
    processes: int = Field(default=1, ge=1, description="Processes that serve the port together.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let arguments win over the environment, and that over the file."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls)


def load_settings(**given: Any) -> Settings:
    """Read the settings; arguments that are not None win over the environment, and that over the file.

    Raises:
        InvalidField: A value is wrong, a key of the file unknown, or the file is no YAML mapping. Names the setting or
            the file, and never quotes a value.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            raise InvalidField(name, f"is no setting; in {CONFIG_FILE} or an argument") from None
        raise InvalidField(name, str(first["msg"]).removeprefix("Value error, ")) from None
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError, TypeError, ValueError):
        raise InvalidField(CONFIG_FILE, "is not a YAML mapping") from None
    except OSError:
        raise InvalidField(CONFIG_FILE, "cannot be read") from None


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return ENV_PREFIX + name.upper()


def unknown_variables(names: Iterable[str]) -> list[str]:
    """Return which of these environment variables carry our prefix and mean nothing: misspelt ones."""
    known = {variable(name) for name in Settings.model_fields} | ENVIRONMENT_ONLY
    return sorted(
        name
        for name in names
        if name.startswith(ENV_PREFIX) and name not in known and not name.startswith(BASE_URL_PREFIX)
    )


def describe_settings() -> list[tuple[str, str, str]]:
    """Return a row (variable, default, description) for every setting, in order."""
    rows = []
    # Phone systems last: most installations have one of them.
    for name, field in sorted(Settings.model_fields.items(), key=lambda it: it[0] in PhoneSettings.model_fields):
        default = field.get_default(call_default_factory=False)
        if name == "data_dir":
            shown = "the user's data folder"
        elif isinstance(default, SecretStr) or default == "":
            shown = ""
        else:
            shown = f"{default:g}" if isinstance(default, float) else str(default)
        rows.append((variable(name), shown, field.description or ""))
    return rows
