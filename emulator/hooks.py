"""Static webhooks and their secrets."""

import base64
import secrets
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from emulator.clock import Clock
from emulator.signing import SECRET_PREFIX
from emulator.wire import rfc3339

HookState = Literal["enabled", "disabled", "disabled_due_to_failed_deliveries"]

OVERLAP_S: Final = 24 * 3600.0
"""Emulated seconds for which a rotated secret still signs."""


def new_secret() -> str:
    """A signing secret in the form of Standard Webhooks."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


@dataclass(frozen=True, slots=True)
class Secret:
    """A signing secret.

    Attributes:
        value: The secret itself.
        expires_s: When it stops signing, in emulated time; None for the current one.
    """

    value: str
    expires_s: float | None = None


@dataclass(slots=True, kw_only=True)
class StaticHook:
    """One webhook of the project."""

    webhook_id: str
    uri: str
    subscribed_events: list[str]
    created_s: float
    updated_s: float
    name: str | None = None
    state: HookState = "enabled"
    secrets: list[Secret] = field(default_factory=list)

    def valid_secrets(self, now_s: float) -> list[str]:
        """The secrets that sign now, the newest first."""
        return [each.value for each in self.secrets if each.expires_s is None or now_s < each.expires_s]

    def rotate(self, now_s: float, *, at_once: bool) -> str:
        """Put a new secret before the others, which end at once or after a day."""
        self.secrets = [
            Secret(each.value, now_s + OVERLAP_S if each.expires_s is None else each.expires_s)
            for each in ([] if at_once else self.secrets)
        ]
        self.secrets.insert(0, Secret(new_secret()))
        self.updated_s = now_s
        return self.secrets[0].value

    def resource(self, clock: Clock) -> dict[str, Any]:
        """The resource on the wire; secrets are shown by their last characters only."""
        shown: dict[str, Any] = {
            "id": self.webhook_id,
            "uri": self.uri,
            "subscribed_events": self.subscribed_events,
            "state": self.state,
            "create_time": rfc3339(clock.wall_of(self.created_s)),
            "update_time": rfc3339(clock.wall_of(self.updated_s)),
            "signing_secrets": [_shown(each, clock) for each in self.secrets],
        }
        if self.name is not None:
            shown["name"] = self.name
        return shown

    def to_json(self) -> dict[str, Any]:
        """The form the state file keeps."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "StaticHook":
        """The hook that :meth:`to_json` kept."""
        return cls(**{**kept, "secrets": [Secret(**each) for each in kept["secrets"]]})


def _shown(secret: Secret, clock: Clock) -> dict[str, str]:
    shown = {"truncated_secret": f"{SECRET_PREFIX}…{secret.value[-4:]}"}
    if secret.expires_s is not None:
        shown["expire_time"] = rfc3339(clock.wall_of(secret.expires_s))
    return shown
