"""Who is not let in, at every broker that asks for a login as it is set here."""

from __future__ import annotations

import pytest

from contract.brokers.native import ask
from contract.brokers.servers import KINDS, Server
from rowcast.core.errors import PermanentError

pytestmark = pytest.mark.parametrize(
    "broker", [kind for kind in KINDS if kind != "kafka"], indirect=True, scope="module"
)


def test_a_wrong_login_is_permanent_names_the_user_and_shows_no_password(broker: Server, prefix: str) -> None:
    scheme, _, rest = broker.url.partition("://")
    url = f"{scheme}://nobody:secret@{rest.rpartition('@')[2]}"
    with pytest.raises(PermanentError, match="does not let the user nobody in") as raised:
        ask(broker, prefix, lambda each: each.prepare(), url)
    assert raised.value.reason == "broker-login-refused"
    assert "secret" not in str(raised.value)
