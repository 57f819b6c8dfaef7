"""Who may come in: bearer tokens, when there are any."""

from __future__ import annotations

import hmac
from pathlib import Path

from shoal.api.errors import SettingInvalid

ANONYMOUS = "anonymous"


class Tokens:
    """`token user [group,...]` per line of a file; none at all lets everybody in as `anonymous` (loopback only, see `GatewayConfig`)."""

    def __init__(self, users: dict[str, str]) -> None:
        self._users = users

    @classmethod
    def read(cls, path: str) -> Tokens:
        """Raises `SettingInvalid` when the file cannot be read or has a line without a user."""
        if not path:
            return cls({})
        try:
            lines = Path(path).read_text().splitlines()
        except OSError as error:
            raise SettingInvalid(f"SHOAL_TOKENS_FILE={path}: {error.strerror}; give a file with one `token user` per line") from error
        users: dict[str, str] = {}
        for number, line in enumerate(lines, 1):
            parts = line.split()
            if not parts or parts[0].startswith("#"):
                continue
            if len(parts) < 2:
                raise SettingInvalid(f"SHOAL_TOKENS_FILE={path}: line {number} has no user; write `token user [group,...]`")
            users[parts[0]] = parts[1]
        if not users:
            raise SettingInvalid(f"SHOAL_TOKENS_FILE={path}: there is no token in it; write `token user [group,...]`")
        return cls(users)

    def user(self, authorization: str) -> str | None:
        """The user of an `Authorization` header; None when it shows no token that is known."""
        if not self._users:
            return ANONYMOUS
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        found = None
        for token, user in self._users.items():  # All of them: how long it takes says nothing of the tokens.
            if hmac.compare_digest(token.encode(), given.strip().encode()):
                found = user
        return found
