"""Where tenants' webhooks may go: everything that isn't plainly public is refused."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.destinations import (
    DestinationRules,
    ForbiddenDestination,
    check_destination,
    parse_networks,
    why_forbidden,
)

STRICT = DestinationRules()
HOSTILE = [
    # not https
    "http://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/_x",
    "javascript:alert(1)",
    "//example.com/",
    "HTTPS://example.com/",
    "https:/example.com/",
    "https:example.com",
    "https://",
    "",
    # who is the host?
    "https://user@example.com/",
    "https://user:password@example.com/",
    "https://example.com@127.0.0.1/",
    "https://127.0.0.1#@example.com/",
    "https://example.com\\@127.0.0.1/",
    "https://example.com%40127.0.0.1/",
    "https://example.com%2f@127.0.0.1/",
    "https://example.com#fragment",
    "https://example.com /",
    " https://example.com/",
    "https://example.com/\n",
    "https://exa\tmple.com/",
    "https://example.com/\r\nX: y",
    "https://example.com/a b",
    "https://example.com/%zz",
    "https://example.com/\x00",
    # ports
    "https://example.com:22/",
    "https://example.com:25/",
    "https://example.com:6379/",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:/",
    "https://example.com:0443/",
    "https://example.com:443:443/",
    "https://example.com:٤٤٣/",
    # private and special IPv4
    "https://127.0.0.1/",
    "https://127.8.8.8/",
    "https://0.0.0.0/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://169.254.170.2/",
    "https://100.64.0.1/",
    "https://100.100.100.200/",
    "https://168.63.129.16/",
    "https://192.0.0.192/",
    "https://192.88.99.1/",
    "https://198.18.0.1/",
    "https://203.0.113.7/",
    "https://224.0.0.1/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    # other spellings of IPv4
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://127.0.1/",
    "https://127.0.0.0x1/",
    "https://0x7f.1/",
    "https://00000127.0.0.1/",
    "https://127.0.0.1./",
    "https://127.0.0.1.0x0/",
    "https://256.0.0.1/",
    "https://1.2.3.4.5/",
    "https://8.8.8.08/",
    # IPv6
    "https://[::1]/",
    "https://[::]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[ff02::1]/",
    "https://[fec0::1]/",
    "https://[2001:db8::1]/",
    "https://[3fff::1]/",
    "https://[100::1]/",
    "https://[5f00::1]/",
    # IPv4 inside IPv6: mapped, compatible, 6to4, Teredo, NAT64
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:8.8.8.8]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[::127.0.0.1]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:a00:1::1]/",
    "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::169.254.169.254]/",
    "https://[64:ff9b:1::a00:1]/",
    "https://[::1",
    "https://::1/",
    "https://[127.0.0.1]/",
    "https://[v1.x]/",
    # names of local networks
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://localhost.localdomain/",
    "https://foo.localhost/",
    "https://intranet/",
    "https://metadata.google.internal/",
    "https://kubernetes.default.svc.cluster.local/",
    "https://printer.local/",
    "https://nas.lan/",
    "https://router.home.arpa/",
    "https://1.0.0.127.in-addr.arpa/",
    "https://hidden.onion/",
    # what is not a name
    "https://example.com./",
    "https://example..com/",
    "https://.example.com/",
    "https://-example.com/",
    "https://exa_mple.com/",
    "https://" + "a" * 64 + ".com/",
    "https://" + "a." * 130 + "com/",
    "https://example.com/" + "a" * 2_100,
    # letters that are turned into others
    "https://ｅxample.com/",
    "https://①②⑦.⓪.⓪.①/",
    "https://127。0。0。1/",
    "https://localhoſt/",
    "https://ⓛocalhost/",
    "https://exämple.com/",
    "https://example.com\u200b/",
    "https://example。com/",
]


@pytest.mark.parametrize("url", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_address_is_refused(url: str) -> None:
    with pytest.raises(ForbiddenDestination) as refused:
        check_destination(url, STRICT)
    assert refused.value.detail


def test_the_table_is_as_long_as_it_should_be() -> None:
    assert len(set(HOSTILE)) == len(HOSTILE) >= 100


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://example.com", "example.com", 443),
        ("https://example.com/hooks?x=1&y=%20", "example.com", 443),
        ("https://Hooks.Example.com.br:8443/a/b~c", "hooks.example.com.br", 8443),
        ("https://xn--bcher-kva.example.com/", "xn--bcher-kva.example.com", 443),
        ("https://8.8.8.8/", "8.8.8.8", 443),
        ("https://[2606:4700::6810:84e5]/", "2606:4700::6810:84e5", 443),
        ("https://example.com/@someone", "example.com", 443),
    ],
)
def test_a_public_address_is_taken_as_it_is_written(url: str, host: str, port: int) -> None:
    destination = check_destination(url, STRICT)
    assert (destination.host, destination.port) == (host, port)


def test_allowed_networks_open_themselves_and_nothing_beside() -> None:
    rules = DestinationRules(
        allow_http=True,
        ports=frozenset({80, 9000}),
        allowed_networks=parse_networks("127.0.0.0/8, 10.1.0.0/16"),
    )
    assert check_destination("http://127.0.0.1:9000/", rules).port == 9000
    assert check_destination("http://erp/", rules).host == "erp"
    for url in ("http://10.2.0.1/", "http://[::1]/", "http://[::ffff:127.0.0.1]/"):
        with pytest.raises(ForbiddenDestination):
            check_destination(url, rules)


def test_networks_that_are_none_are_refused() -> None:
    assert parse_networks(" ") == ()
    with pytest.raises(ValueError, match="host bits"):
        parse_networks("10.0.0.1/8")


@given(st.integers(min_value=0, max_value=2**32 - 1).map(IPv4Address))
def test_what_python_calls_no_global_ipv4_address_is_forbidden(ip: IPv4Address) -> None:
    if not ip.is_global or ip.is_multicast or ip.is_reserved:
        assert why_forbidden(ip, STRICT) is not None


@given(st.integers(min_value=0, max_value=2**128 - 1).map(IPv6Address))
def test_what_python_calls_no_global_ipv6_address_is_forbidden(ip: IPv6Address) -> None:
    if not ip.is_global or ip.is_multicast or ip.ipv4_mapped or ip.sixtofour or ip.teredo:
        assert why_forbidden(ip, STRICT) is not None


@given(
    st.sampled_from(
        ["127.0.0.0/8", "10.0.0.0/8", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"]
    ),
    st.data(),
)
def test_no_address_of_a_private_network_passes(network: str, data: st.DataObject) -> None:
    inside = ip_network(network)
    number = data.draw(
        st.integers(int(inside.network_address), int(inside.broadcast_address)), label="address"
    )
    kind = IPv4Address if inside.version == 4 else IPv6Address
    assert why_forbidden(ip_address(str(kind(number))), STRICT) is not None
