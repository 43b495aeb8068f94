import pytest
from pydantic import SecretStr

from runs.tool_secrets import InvalidBinding, ToolSecret, parse_bindings

BOUND = "crm.example, *.Docs.example, local.example:8443, 127.0.0.1:8080, [::1]"


def secret(hosts: str | None = BOUND) -> ToolSecret:
    """A secret that may go to ``hosts``."""
    return ToolSecret("CRM", SecretStr("Bearer abc"), () if hosts is None else parse_bindings(hosts))


@pytest.mark.parametrize(
    "url",
    [
        "https://crm.example",
        "https://crm.example/",
        "https://crm.example:443/mcp?a=b@c#d",
        "HTTPS://CRM.example/mcp",
        "https://a.docs.example/mcp",
        "https://a.b.docs.example/mcp",
        "https://local.example:8443/mcp",
        "http://127.0.0.1:8080/mcp",
        "http://[::1]/mcp",
    ],
)
def test_a_secret_goes_where_it_is_bound_to(url: str) -> None:
    """A host, all below a host, one port; without one, the port that goes with the scheme."""
    assert secret().why_not(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/mcp",
        "https://crm.example.evil.example/mcp",
        "https://evilcrm.example/mcp",
        "https://sub.crm.example/mcp",
        "https://docs.example/mcp",
        "https://evildocs.example/mcp",
        "https://crm.example:8443/mcp",
        "https://local.example/mcp",
    ],
)
def test_a_secret_goes_nowhere_else(url: str) -> None:
    """However alike the host is; the message has the line to add, and never the value."""
    why_not = secret().why_not(url)
    assert why_not is not None
    assert "is bound to crm.example, *.docs.example, local.example:8443, 127.0.0.1:8080, [::1]" in why_not
    assert "LONGHAUL_SECRET_CRM_HOST=crm.example," in why_not
    assert "abc" not in why_not


@pytest.mark.parametrize(
    "url",
    [
        "https://crm.example@evil.example/mcp",
        "https://evil.example\\@crm.example/mcp",
        "https://crm.example\\.evil.example/mcp",
        "https://evil.example?@crm.example/mcp",
        "https://evil.example#@crm.example/mcp",
        "https://crm.example\t.evil.example/mcp",
        "https://crm.example /mcp",
        "https://127.0.0.1:8080.evil.example/mcp",
        "https://crm.example\n/mcp",
        "https://\u212arm.example/mcp",
        "https://crm\uff0eexample/mcp",
        "https://crm.example%2eevil.example/mcp",
        "https:///crm.example/mcp",
        "https://",
        "ftp://crm.example/mcp",
    ],
)
def test_an_address_that_may_be_read_in_two_ways_is_refused(url: str) -> None:
    """What programs do not agree on could send the secret to where we did not look."""
    why_not = secret().why_not(url)
    assert why_not is not None
    assert "is no plain address" in why_not


def test_a_secret_is_not_sent_in_clear() -> None:
    """But for this machine, where nobody listens in between."""
    why_not = secret("crm.example:80,crm.example").why_not("http://crm.example/mcp")
    assert why_not is not None
    assert "over https:// only" in why_not


def test_a_secret_that_is_bound_to_nobody_goes_nowhere() -> None:
    """Until somebody says who may have it."""
    why_not = secret(None).why_not("https://crm.example:8443/mcp")
    assert why_not == (
        "LONGHAUL_SECRET_CRM is bound to no host, so it is not sent to crm.example:8443; if crm.example:8443 "
        "is to have it, set LONGHAUL_SECRET_CRM_HOST=crm.example:8443 on the worker"
    )


@pytest.mark.parametrize(
    "hosts",
    ["", ",", "crm.example,", "https://crm.example", "crm.example/mcp", "*", "*.example", "*crm.example",
     "a b", "crm..example", "crm.example:0", "crm.example:65536", "crm.example:x", "a@b"],
)  # fmt: skip
def test_what_is_no_host_is_refused(hosts: str) -> None:
    """A slip is found when the worker starts."""
    with pytest.raises(InvalidBinding, match="is not a host; write"):
        parse_bindings(hosts)
