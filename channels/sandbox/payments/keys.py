"""The sandbox's own keys, made once and kept where only this user can read them, and the question whether it may start."""

from __future__ import annotations

import ipaddress
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

NAME = "payment-sandbox.json"


class Unsafe(RuntimeError):
    """The sandbox will not start here; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class LocalSecrets:
    """`api_key` opens the sandbox's API, `webhook_secret` signs what it sends."""

    api_key: str
    webhook_secret: str

    def __repr__(self) -> str:
        return "LocalSecrets(...)"


def local_secrets(folder: Path) -> LocalSecrets:
    """The secrets kept in this folder (mode 0600), made at the first call; two processes at once get the same ones."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    if not path.exists():
        _write(path, LocalSecrets(f"sk_test_local_{secrets.token_hex(24)}", f"whsec_local_{secrets.token_hex(24)}"))
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)
    try:
        kept = json.loads(path.read_text("utf-8"))
        return LocalSecrets(str(kept["api_key"]), str(kept["webhook_secret"]))
    except (ValueError, KeyError, TypeError) as error:
        raise Unsafe(f"{path} cannot be read. Delete it; new keys are made at the next start.") from error


def _write(path: Path, made: LocalSecrets) -> None:
    """Whole or not at all; whoever comes second keeps the first one's file."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(made), file)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def check_safe(*, host: str, configured_key: str | None, allow_public: bool) -> None:
    """Raises Unsafe beside a live key, and on a host others can reach unless that is allowed in so many words."""
    if configured_key and "_live_" in configured_key:
        raise Unsafe("A live Stripe key is configured. The payment sandbox never runs beside one; remove the key or the sandbox.")
    if not allow_public and not is_loopback(host):
        raise Unsafe(
            f"The payment sandbox takes no real money, so it does not listen on {host!r}, where strangers could pay with test cards. "
            "Listen on 127.0.0.1, set a Stripe key, or allow it explicitly."
        )


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
