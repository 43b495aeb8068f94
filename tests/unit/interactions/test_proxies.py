import pytest

from interactions.client import InteractionsClient
from interactions.proxies import InvalidProxy, check_proxies
from tests.unit.interactions.support import config


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """None but those that a test sets."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    "proxy",
    ["http://proxy.test:3128", "https://proxy.test", "HTTP://[::1]:1080", "http://user:p%40ss@proxy.test:3128/",
     "proxy.test:3128", "proxy", ""],
)  # fmt: skip
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy"])
async def test_a_proxy_is_taken(monkeypatch: pytest.MonkeyPatch, variable: str, proxy: str) -> None:
    """By us and by the HTTP library."""
    check_proxies({variable: proxy})
    monkeypatch.setenv(variable, proxy)
    async with InteractionsClient(config(base_url="https://api.test")):
        pass


@pytest.mark.parametrize(
    "proxy",
    ["foo://host", "://", "http://", "http://host:port", "http://host:0",
     "http://host:99999", "http://[bad", "http:// x", "ho st", "http://host/path", "http://a:s3cret@b@c",
     "http://s3cret/x@host", "http://h\tost", "http://hö.test"],
)  # fmt: skip
def test_what_is_no_proxy_is_refused_unseen(proxy: str) -> None:
    """In one line with the variable, and without a password that is in it."""
    for variable in ("HTTPS_PROXY", "all_proxy"):
        with pytest.raises(InvalidProxy) as caught:
            check_proxies({variable: proxy})
        told = str(caught.value)
        assert told.startswith(f"{variable}: not a proxy that can be used; write http://HOST:PORT or ")
        assert "s3cret" not in told
        assert "\n" not in told


@pytest.mark.parametrize(
    "proxy", ["socks5://u:s3cret@host:1080", "socks5h://host", "socks4://host", "SOCKS://x"]
)
def test_a_socks_proxy_is_refused_with_what_to_write(proxy: str) -> None:
    """The HTTP library would end the worker, or leave unknown what certainly was not sent."""
    with pytest.raises(
        InvalidProxy, match=r"^ALL_PROXY: SOCKS proxies are not supported; write http://"
    ) as caught:
        check_proxies({"ALL_PROXY": proxy})
    assert "s3cret" not in str(caught.value)


def test_other_variables_are_none_of_ours() -> None:
    """Those of FTP, and exceptions."""
    check_proxies({"FTP_PROXY": "foo://x", "NO_PROXY": "*", "MY_HTTPS_PROXY": "://"})
