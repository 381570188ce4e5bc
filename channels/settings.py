"""Everything that is configured from outside, read in one place: keys, ports, addresses. Secrets never print."""

from __future__ import annotations

import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """Read from the environment and from a `.env` file. Every field has a default that runs on a fresh machine."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", populate_by_name=True)

    # where things are
    data_dir: Path = Field(Path("var"), alias="TRAVELOURE_DATA")
    database_url: str = Field("", alias="DATABASE_URL")
    host: str = Field("127.0.0.1", alias="HOST")
    port: int = Field(8000, alias="PORT", ge=1, le=65535)
    domain_url: str = Field("", alias="DOMAIN_URL")
    redis_url: str = Field("", alias="REDIS_URL")
    log_json: bool = Field(False, alias="LOG_JSON")
    no_color: str = Field("", alias="NO_COLOR")
    trusted_proxies: str = Field("127.0.0.1", alias="FORWARDED_ALLOW_IPS")

    # the model
    openai_api_key: SecretStr | None = Field(None, alias="OPENAI_API_KEY")
    openai_base_url: str = Field("", alias="OPENAI_BASE_URL")
    openai_model: str = Field("gpt-5-mini", alias="OPENAI_MODEL")
    openai_timeout: float = Field(20.0, alias="OPENAI_TIMEOUT", gt=0)
    openai_responses: bool = Field(False, alias="OPENAI_USE_RESPONSES")
    openai_temperature: float | None = Field(None, alias="OPENAI_TEMPERATURE", ge=0, le=2)
    model_tokens_a_day: int = Field(0, alias="MODEL_TOKENS_A_DAY", ge=0)
    model_tokens_a_day_each: int = Field(400_000, alias="MODEL_TOKENS_A_DAY_EACH", ge=0)
    model_price_in: Decimal = Field(Decimal(0), alias="MODEL_PRICE_IN", ge=0)  # of a million input tokens, for the accounts
    model_price_out: Decimal = Field(Decimal(0), alias="MODEL_PRICE_OUT", ge=0)

    # money
    stripe_secret_key: SecretStr | None = Field(None, alias="STRIPE_SECRET_KEY")
    stripe_publishable_key: str = Field("", alias="STRIPE_PUBLISHABLE_KEY")
    stripe_webhook_secret: SecretStr | None = Field(None, alias="STRIPE_WEBHOOK_SECRET")

    # the token a program on this machine gives `traveloure mcp`
    mcp_token: SecretStr | None = Field(None, alias="TRAVELOURE_MCP_TOKEN")

    # calendars of providers: whether one may be on this very machine
    local_calendars: bool = Field(False, alias="LOCAL_CALENDARS")
    local_hooks: bool = Field(False, alias="LOCAL_WEBHOOKS")

    # partners: a TOML file of ours with their ids, one table a partner
    affiliates_file: Path | None = Field(None, alias="AFFILIATES_FILE")

    # rates for estimates in other currencies: a TOML file like core/rates.toml
    rates_file: Path | None = Field(None, alias="RATES_FILE")

    # messengers
    telegram_bot_token: SecretStr | None = Field(None, alias="TELEGRAM_BOT_TOKEN")
    telegram_api_url: str = Field("", alias="TELEGRAM_API_URL")  # a stand-in, or a Bot API server of your own
    telegram_webhook_secret: SecretStr | None = Field(None, alias="TELEGRAM_WEBHOOK_SECRET")  # set: a webhook instead of polling
    slack_bot_token: SecretStr | None = Field(None, alias="SLACK_BOT_TOKEN")
    slack_app_token: SecretStr | None = Field(None, alias="SLACK_APP_TOKEN")  # Socket Mode: no public address is needed
    slack_signing_secret: SecretStr | None = Field(None, alias="SLACK_SIGNING_SECRET")  # set: signed HTTP instead of a socket
    slack_api_url: str = Field("", alias="SLACK_API_URL")  # a stand-in

    # mail
    smtp_url: SecretStr | None = Field(None, alias="SMTP_URL")  # smtp://user:password@host:587 or smtps://...:465
    mail_from: str = Field("", alias="MAIL_FROM")  # "Traveloure <trips@example.com>"
    mail_reply_domain: str = Field("", alias="MAIL_REPLY_DOMAIN")  # where answers are received, if not at MAIL_FROM's domain
    mail_webhook_secret: SecretStr | None = Field(None, alias="MAIL_WEBHOOK_SECRET")  # of whoever posts incoming mail to /webhooks/mail

    # text messages
    twilio_sid: str = Field("", alias="TWILIO_ACCOUNT_SID")
    twilio_token: SecretStr | None = Field(None, alias="TWILIO_AUTH_TOKEN")
    twilio_from: str = Field("", alias="TWILIO_FROM")  # a number of yours (+351...) or a messaging service (MG...)
    twilio_api_url: str = Field("", alias="TWILIO_API_URL")  # a stand-in

    # who may read /metrics; closed without it
    metrics_token: SecretStr | None = Field(None, alias="METRICS_TOKEN")

    # pages that may embed the chat
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(("*",), alias="ALLOWED_ORIGINS")

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _origins(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator(
        "telegram_bot_token",
        "telegram_webhook_secret",
        "slack_bot_token",
        "slack_app_token",
        "slack_signing_secret",
        "metrics_token",
        mode="before",
    )
    @classmethod
    def _unset(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("smtp_url", "mail_webhook_secret", "twilio_token", mode="before")
    @classmethod
    def _unset_mail(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("mail_webhook_secret")
    @classmethod
    def _mail_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 24:
            raise ValueError("the secret for incoming mail has at least 24 characters")
        return value

    @model_validator(mode="after")
    def _mail(self) -> Settings:
        if self.smtp_url is not None and not re.search(r"[^@\s<>]+@[^@\s<>]+", self.mail_from):
            raise ValueError("MAIL_FROM has to say whom mail is from, such as Traveloure <trips@example.com>, where SMTP_URL is set")
        if self.twilio_token is not None and not (self.twilio_sid and re.fullmatch(r"\+[1-9]\d{6,14}|MG[0-9a-fA-F]{32}", self.twilio_from)):
            raise ValueError("TWILIO_AUTH_TOKEN needs TWILIO_ACCOUNT_SID and TWILIO_FROM, a number like +351910000000 or a service MG...")
        return self

    @field_validator("telegram_bot_token")
    @classmethod
    def _token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"\d{3,20}:[A-Za-z0-9_-]{10,100}", value.get_secret_value()):
            raise ValueError("a bot token looks like 123456789:AAE..., as BotFather shows it")
        return value

    @field_validator("slack_bot_token")
    @classmethod
    def _slack_bot(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith("xoxb-"):
            raise ValueError("a bot token begins with xoxb-, as Slack shows it under OAuth & Permissions")
        return value

    @field_validator("slack_app_token")
    @classmethod
    def _slack_app(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith("xapp-"):
            raise ValueError("an app-level token begins with xapp-, as Slack shows it under Basic Information")
        return value

    @field_validator("telegram_webhook_secret")
    @classmethod
    def _secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9_-]{32,256}", value.get_secret_value()):
            raise ValueError("a webhook secret has 32 to 256 letters, digits, dashes and underscores")
        return value

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'traveloure.db'}"

    @property
    def base_url(self) -> str:
        """The base of every link that leaves the house, without a slash at its end."""
        return (self.domain_url or f"http://127.0.0.1:{self.port}").rstrip("/")

    @property
    def sandbox_payments(self) -> bool:
        return self.stripe_secret_key is None


def durations_as_timedelta() -> None:
    """python-telegram-bot gives durations as whole seconds, with a warning each time, unless its own switch is set."""
    os.environ["PTB_TIMEDELTA"] = "1"
