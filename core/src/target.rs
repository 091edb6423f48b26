//! Which URLs an endpoint may have: the guard against requests into private networks (SSRF).
//!
//! A URL is refused when its host is a literal address that is not globally routable (in any spelling: the parser
//! turns decimal, octal, hexadecimal, percent-encoded and full-width forms into one), a name that only a private
//! network resolves, when it carries a user or password, or is not http(s). It is checked when an endpoint is saved
//! and again at every attempt, because the settings may have changed.
//!
//! Hosts that are not written in ASCII, and URLs with characters that parsers read differently, are normalized by the
//! platform's own URL parser ([`Policy::spell`]): it has the Unicode tables, and it is the parser that later makes the request,
//! so the URL that is signed is the URL that is requested. Its result is checked as if it had been sent.
//!
//! It is a pure function, so it does not resolve names: that a public name points to a private address is for the
//! network it runs in to prevent (on Cloudflare's edge there is no private network to reach; workerd's own
//! network service refuses private addresses unless they are allowed).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use url::{Host, Url};

/// The longest URL that all servers and proxies can be expected to accept.
pub const MAX_LENGTH: usize = 2048;

/// Converts a URL to ASCII, by the WHATWG's standard; `None` if it is not a URL.
pub type Spell = fn(&str) -> Option<String>;

/// What the operator allows.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Whether plain http is refused.
    pub https_only: bool,
    /// Networks that are open although the guard would refuse them. `localhost` is open when 127.0.0.1 or ::1
    /// is; other local names when all of IPv4 (`0.0.0.0/0`) is, because nothing tells where they lead.
    pub allowed: Vec<Cidr>,
    /// Whether a host may be a public IP address. Cloudflare refuses every request of a Worker to one.
    pub ip_addresses: bool,
    /// The platform's parser. Without one, a host that is not in ASCII is refused.
    pub spell: Option<Spell>,
}

/// A URL that may be requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The URL in the one spelling that its parser gives it: this is the text to request, so that nothing
    /// later can read it differently from what was checked.
    pub url: String,
    /// The host as it is in `url`: a name, an IPv4 address, or an IPv6 address in brackets.
    pub host: String,
    /// Whether it is https.
    pub secure: bool,
}

/// Why a URL is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It has so many bytes, more than [`MAX_LENGTH`].
    TooLong(usize),
    /// It is not an absolute URL; the parser's reason.
    Unreadable(String),
    /// It contains white space, a control character or a backslash, which readers of URLs treat differently.
    Character(char),
    /// Its scheme is not http or https.
    Scheme(String),
    /// It is http, and only https is allowed.
    HttpsOnly,
    /// It carries a user name or a password.
    Userinfo,
    /// Its host is empty, or has an empty label.
    Host(String),
    /// Its host ends in a dot.
    TrailingDot(String),
    /// Its host is a name that means this machine.
    Localhost(String),
    /// Its host is a name that only a private network resolves.
    LocalName(String),
    /// Its host is an address in a range that is not on the public internet.
    Address {
        /// The address, as it was understood.
        address: IpAddr,
        /// What the range is for.
        range: &'static str,
    },
    /// Its host is a public IP address, and the platform sends requests to names only.
    IpAddress(IpAddr),
}

impl Refusal {
    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "url_too_long",
            Self::Unreadable(_) | Self::Character(_) => "url_unreadable",
            Self::Scheme(_) => "url_scheme",
            Self::HttpsOnly => "url_https_only",
            Self::Userinfo => "url_userinfo",
            Self::Host(_) | Self::TrailingDot(_) => "url_host",
            Self::Localhost(_) | Self::LocalName(_) => "url_local_name",
            Self::Address { .. } => "url_address",
            Self::IpAddress(_) => "url_ip_address",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(length) => {
                write!(f, "The URL has {length} bytes, and at most {MAX_LENGTH} are allowed.")
            }
            Self::Unreadable(reason) => write!(
                f,
                "This is not an absolute URL ({reason}). Write it in full, such as https://example.com/webhooks."
            ),
            Self::Character(c) => write!(
                f,
                "The URL contains {}, which is not allowed. Percent-encode it, or remove it.",
                c.escape_default()
            ),
            Self::Scheme(scheme) => write!(f, "The URL's scheme is '{scheme}'. Only https and http are \
                 supported."),
            Self::HttpsOnly => f.write_str("Only https URLs are allowed here (setting HTTPS_ONLY)."),
            Self::Userinfo => f.write_str(
                "The URL contains a user name or password, which would end up in logs. Set an 'authorization' header \
                 on the endpoint instead.",
            ),
            Self::Host(host) => write!(f, "The URL's host '{host}' is not a host name."),
            Self::TrailingDot(host) => write!(f, "Write the host '{host}' without the dot at its end."),
            Self::Localhost(host) => write!(
                f,
                "'{host}' is this machine itself. Requests to it are blocked (127.0.0.0/8 in the setting \
                 ALLOWED_NETWORKS allows them)."
            ),
            Self::LocalName(host) => write!(
                f,
                "'{host}' is a name of a private network. Requests to it are blocked. Use a public host name."
            ),
            Self::Address { address, range } => write!(
                f,
                "Requests to {address} are blocked: {range} (the setting ALLOWED_NETWORKS allows networks)."
            ),
            Self::IpAddress(address) => write!(
                f,
                "The URL's host is the IP address {address}. Cloudflare sends requests to host names only: \
                 use a host name that resolves to it. (Outside of Cloudflare, the setting ALLOW_IP_ADDRESSES \
                 allows IP addresses.)"
            ),
        }
    }
}

impl std::error::Error for Refusal {}

/// Checks an endpoint's URL.
pub fn check(url: &str, policy: &Policy) -> Result<Target, Refusal> {
    if url.len() > MAX_LENGTH {
        return Err(Refusal::TooLong(url.len()));
    }
    if let Some(c) = url.chars().find(|c| c.is_control() || c.is_whitespace() || *c == '\\') {
        return Err(Refusal::Character(c));
    }
    let respelled = match policy.spell {
        Some(spell) if !is_unambiguous(url) => {
            Some(spell(url).ok_or_else(|| Refusal::Unreadable("its host is not a valid name".to_owned()))?)
        }
        None if !is_spelled(url) => return Err(Refusal::Unreadable("its host is not in ASCII".to_owned())),
        _ => None,
    };
    let parsed = Url::parse(respelled.as_deref().unwrap_or(url))
        .map(normalized)
        .map_err(|error| Refusal::Unreadable(error.to_string()))?;
    let secure = match parsed.scheme() {
        "https" => true,
        "http" if policy.https_only => return Err(Refusal::HttpsOnly),
        "http" => false,
        other => return Err(Refusal::Scheme(other.to_owned())),
    };
    // The parser drops an empty user and password, so `http://@host` is looked for in the text as well.
    if !parsed.username().is_empty() || parsed.password().is_some() || authority(url).contains('@') {
        return Err(Refusal::Userinfo);
    }
    if parsed.port() == Some(0) {
        return Err(Refusal::Unreadable("nothing listens on port 0".to_owned()));
    }
    match parsed.host() {
        None => return Err(Refusal::Host(String::new())),
        Some(Host::Domain(name)) => check_name(name, policy)?,
        Some(Host::Ipv4(address)) => check_address(address.into(), policy)?,
        Some(Host::Ipv6(address)) => check_address(address.into(), policy)?,
    }
    if parsed.as_str().len() > MAX_LENGTH {
        return Err(Refusal::TooLong(parsed.as_str().len()));
    }
    let host = parsed.host_str().unwrap_or("").to_owned();
    Ok(Target { host, secure, url: parsed.into() })
}

/// Whether a URL's host needs no table of Unicode to be read. Only such a URL may be given to the parser, which has none.
pub fn is_spelled(url: &str) -> bool {
    url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') && !authority(url).contains('%')
}

/// Whether all versions of the URL standard read a URL in the same way: it has no character that some of them encode and others
/// do not, and no host in Punycode, which has to be decoded to be judged.
fn is_unambiguous(url: &str) -> bool {
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:?#@!$&()*+,;=%[]".contains(&byte);
    let host = authority(url);
    url.bytes().all(usual) && !host.contains('%') && !host.to_ascii_lowercase().contains("xn--")
}

/// A URL as the platform requests it: its standard encodes one character of paths that this parser leaves as it is.
pub fn normalized(mut url: Url) -> Url {
    if url.path().contains('^') {
        let path = url.path().replace('^', "%5E");
        url.set_path(&path);
    }
    url
}

/// What stands where a URL has its user, host and port.
fn authority(url: &str) -> &str {
    let after = url.split_once(':').map_or("", |(_, rest)| rest.trim_start_matches('/'));
    after.split(['/', '?', '#']).next().unwrap_or("")
}

/// Whether a URL that [`check`] lets through is plain http to somewhere that is not a network of the operator's own:
/// what a provider that calls only https never does.
pub fn is_plain(target: &Target) -> bool {
    let public = || check(&target.url, &Policy::public()).is_ok();
    !target.secure && public()
}

/// Names that no public resolver answers (RFC 6761, 6762, 7686, 8375, 9476), those of addresses, and those of common private
/// networks: Kubernetes, Consul, Docker, routers at home.
const LOCAL_SUFFIXES: [&str; 17] = [
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "localdomain",
    "arpa",
    "alt",
    "onion",
    "default",
    "svc",
    "consul",
    "docker",
    "fritz.box",
    "localnet",
];

/// `name` is in lower case and ASCII: the parser has seen to that.
fn check_name(name: &str, policy: &Policy) -> Result<(), Refusal> {
    if name.ends_with('.') {
        return Err(Refusal::TrailingDot(name.to_owned()));
    }
    if name.split('.').any(str::is_empty) {
        return Err(Refusal::Host(name.to_owned()));
    }
    let under = |suffix: &str| {
        name.strip_suffix(suffix).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    if under("localhost") {
        return if loopback.iter().any(|address| policy.allows(*address)) {
            Ok(())
        } else {
            Err(Refusal::Localhost(name.to_owned()))
        };
    }
    let local = !name.contains('.') || LOCAL_SUFFIXES.iter().any(|suffix| under(suffix));
    let all_open = policy.allowed.iter().any(|cidr| cidr.prefix == 0 && cidr.base.is_ipv4());
    if local && !all_open { Err(Refusal::LocalName(name.to_owned())) } else { Ok(()) }
}

fn check_address(address: IpAddr, policy: &Policy) -> Result<(), Refusal> {
    let address = canonical(address);
    let blocked = match address {
        IpAddr::V4(v4) => range_v4(v4),
        IpAddr::V6(v6) => range_v6(v6),
    };
    match blocked {
        _ if policy.allows(address) => Ok(()),
        Some(range) => Err(Refusal::Address { address, range }),
        None if policy.ip_addresses => Ok(()),
        None => Err(Refusal::IpAddress(address)),
    }
}

/// An IPv6 address that only wraps an IPv4 one (mapped, or the older compatible form) as that one.
fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    if v6.is_loopback() || v6.is_unspecified() {
        return address;
    }
    match v6.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] => {
            let [.., a, b, c, d] = v6.octets();
            Ipv4Addr::new(a, b, c, d).into()
        }
        _ => address,
    }
}

const fn v4(octets: [u8; 4], prefix: u8) -> Cidr {
    let [a, b, c, d] = octets;
    Cidr { base: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
}

const fn v6(head: [u16; 4], prefix: u8) -> Cidr {
    let [a, b, c, d] = head;
    Cidr { base: IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)), prefix }
}

/// The special-purpose ranges of IPv4 (RFC 6890 and its registry), the narrower before the wider.
const BLOCKED_V4: [(Cidr, &str); 17] = [
    (v4([255, 255, 255, 255], 32), "it is the broadcast address"),
    (v4([0, 0, 0, 0], 8), "0.0.0.0/8 is this host itself"),
    (v4([10, 0, 0, 0], 8), "10.0.0.0/8 is a private network"),
    (v4([100, 64, 0, 0], 10), "100.64.0.0/10 is shared by carriers"),
    (v4([127, 0, 0, 0], 8), "127.0.0.0/8 is the loopback"),
    (v4([169, 254, 0, 0], 16), "169.254.0.0/16 is link-local"),
    (v4([172, 16, 0, 0], 12), "172.16.0.0/12 is a private network"),
    (v4([192, 0, 0, 0], 24), "192.0.0.0/24 is reserved for protocols"),
    (v4([192, 0, 2, 0], 24), "192.0.2.0/24 is for documentation"),
    (v4([192, 88, 99, 0], 24), "192.88.99.0/24 was for 6to4 relays"),
    (v4([192, 168, 0, 0], 16), "192.168.0.0/16 is a private network"),
    (v4([198, 18, 0, 0], 15), "198.18.0.0/15 is for benchmarks"),
    (v4([198, 51, 100, 0], 24), "198.51.100.0/24 is for documentation"),
    (v4([203, 0, 113, 0], 24), "203.0.113.0/24 is for documentation"),
    (v4([233, 252, 0, 0], 24), "233.252.0.0/24 is for documentation"),
    (v4([224, 0, 0, 0], 4), "224.0.0.0/4 is multicast"),
    (v4([240, 0, 0, 0], 4), "240.0.0.0/4 is reserved"),
];

/// The special-purpose ranges of IPv6 that deserve a name of their own.
const BLOCKED_V6: [(Cidr, &str); 15] = [
    (v6([0, 0, 0, 0], 8), "::/8 is reserved (loopback, unspecified, translated addresses)"),
    (v6([0x64, 0xff9b, 0, 0], 96), "64:ff9b::/96 is translated to IPv4 (NAT64)"),
    (v6([0x64, 0xff9b, 1, 0], 48), "64:ff9b:1::/48 is translated to IPv4 (NAT64)"),
    (v6([0x100, 0, 0, 0], 64), "100::/64 is discarded"),
    (v6([0x2001, 0, 0, 0], 32), "2001::/32 is tunneled to IPv4 (Teredo)"),
    (v6([0x2001, 0xdb8, 0, 0], 32), "2001:db8::/32 is for documentation"),
    (v6([0x2001, 0, 0, 0], 23), "2001::/23 is reserved for protocols"),
    (v6([0x2002, 0, 0, 0], 16), "2002::/16 is tunneled to IPv4 (6to4)"),
    (v6([0x2620, 0x4f, 0x8000, 0], 48), "2620:4f:8000::/48 is for AS112"),
    (v6([0x3fff, 0, 0, 0], 20), "3fff::/20 is for documentation"),
    (v6([0x5f00, 0, 0, 0], 16), "5f00::/16 is for segment routing (SRv6)"),
    (v6([0xfc00, 0, 0, 0], 7), "fc00::/7 is a private network"),
    (v6([0xfe80, 0, 0, 0], 10), "fe80::/10 is link-local"),
    (v6([0xfec0, 0, 0, 0], 10), "fec0::/10 was site-local"),
    (v6([0xff00, 0, 0, 0], 8), "ff00::/8 is multicast"),
];

/// Where the public internet of IPv6 is: what is outside has not been assigned to anyone.
const GLOBAL_V6: Cidr = v6([0x2000, 0, 0, 0], 3);

fn range_v4(address: Ipv4Addr) -> Option<&'static str> {
    BLOCKED_V4.iter().find(|(cidr, _)| cidr.contains(address.into())).map(|(_, range)| *range)
}

fn range_v6(address: Ipv6Addr) -> Option<&'static str> {
    if address.is_loopback() {
        return Some("::1 is the loopback");
    }
    let named = BLOCKED_V6.iter().filter(|(cidr, _)| cidr.contains(address.into()));
    // ::/8 is the widest and also holds NAT64, so the narrowest name is the right one.
    let named = named.max_by_key(|(cidr, _)| cidr.prefix).map(|(_, range)| *range);
    named.or_else(|| {
        (!GLOBAL_V6.contains(address.into())).then_some("it is outside 2000::/3, the public internet")
    })
}

impl Policy {
    /// Everything on the public internet, by name or by address.
    pub fn public() -> Self {
        Self { ip_addresses: true, ..Self::default() }
    }

    fn allows(&self, address: IpAddr) -> bool {
        self.allowed.iter().any(|cidr| cidr.contains(address))
    }
}

/// A network: an address and how many of its leading bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    base: IpAddr,
    prefix: u8,
}

/// Why a text is not a network; a sentence that says what to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CidrError(String);

impl fmt::Display for CidrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is not a network. Write an address and a prefix length, such as 127.0.0.0/8 or fd00::/8, with no \
             bits set after the prefix; an address alone is a network of one.",
            self.0
        )
    }
}

impl std::error::Error for CidrError {}

impl Cidr {
    /// Whether `address` is in the network. An IPv4 network holds no IPv6 address and the other way round.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                differing(u32::from(base) ^ u32::from(address), 32, self.prefix) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                differing(u128::from(base) ^ u128::from(address), 128, self.prefix) == 0
            }
            _ => false,
        }
    }
}

/// Those of the differing bits that are within the prefix.
fn differing<T: Into<u128>>(bits: T, width: u8, prefix: u8) -> u128 {
    let rest = width.saturating_sub(prefix);
    bits.into().checked_shr(u32::from(rest)).unwrap_or(0)
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        parse_cidr(text).ok_or_else(|| CidrError(text.to_owned()))
    }
}

fn parse_cidr(text: &str) -> Option<Cidr> {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
    let base: IpAddr = address.parse().ok()?;
    let width = if base.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => width,
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().ok()?
        }
        Some(_) => return None,
    };
    let set_after = match base {
        IpAddr::V4(base) => u128::from(u32::from(base)) << 96,
        IpAddr::V6(base) => u128::from(base),
    }
    .checked_shl(u32::from(prefix))
    .unwrap_or(0);
    (prefix <= width && set_after == 0).then_some(Cidr { base, prefix })
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As V8 spells what these tests ask.
    #[allow(clippy::unnecessary_wraps)] // it is a `Spell`
    fn spelled(url: &str) -> Option<String> {
        let host = authority(url);
        let mut ascii = percent_decoded(host);
        for (from, to) in
            [("bücher", "xn--bcher-kva"), ("１２７", "127"), ("①②⑦", "127"), ("。", "."), ("ｌ", "l")]
        {
            ascii = ascii.replace(from, to);
        }
        let url = url.replacen(host, &ascii, 1);
        let encoded = url
            .bytes()
            .map(|byte| if byte.is_ascii() { char::from(byte).to_string() } else { format!("%{byte:02X}") });
        Some(encoded.collect())
    }

    fn percent_decoded(text: &str) -> String {
        let form = url::form_urlencoded::parse(text.as_bytes());
        form.map(|(name, _)| name).collect()
    }

    fn any() -> Policy {
        Policy { spell: Some(spelled), ..Policy::public() }
    }

    fn code(url: &str) -> &'static str {
        check(url, &any()).map_or_else(|refusal| refusal.code(), |_| "ok")
    }

    fn opened(networks: &[&str]) -> Policy {
        Policy { allowed: networks.iter().map(|n| n.parse().unwrap()).collect(), ..any() }
    }

    #[test]
    fn a_path_is_written_as_the_platform_requests_it() {
        let url = check("https://example.org/a^b/%5E?c^d", &any()).expect("allowed").url;
        assert_eq!(url, "https://example.org/a%5Eb/%5E?c^d");
        assert_eq!(check(&url, &any()).expect("allowed").url, url);
    }

    #[test]
    fn names_of_private_networks_and_port_0_are_refused() {
        for host in [
            "kubernetes.default",
            "kubernetes.default.svc",
            "web.team.svc",
            "a.onion",
            "1.0.0.127.in-addr.arpa",
            "web.service.consul",
            "host.docker",
            "fritz.box",
            "nas.fritz.box",
        ] {
            assert_eq!(code(&format!("https://{host}/")), "url_local_name", "{host}");
        }
        for host in ["default.example.com", "arpa.example.com", "box.example.org", "test.com"] {
            assert_eq!(code(&format!("https://{host}/")), "ok", "{host}");
        }
        assert_eq!(code("https://example.com:0/"), "url_unreadable");
    }

    #[test]
    fn punycode_that_is_no_name_is_refused_where_the_platform_refuses_it() {
        let strict = Policy { spell: Some(|url| (!url.contains("xn--a.")).then(|| url.to_owned())), ..any() };
        for url in ["https://xn--a.com/", "https://www.XN--A.com/", "https://user.xn--a.com/"] {
            let spelled = check(&url.to_ascii_lowercase(), &strict).map_err(|refusal| refusal.code());
            assert_eq!(spelled, Err("url_unreadable"), "{url}");
        }
        assert!(check("https://xn--bcher-kva.example.org/", &strict).is_ok());
    }

    #[test]
    fn a_host_that_is_not_in_ascii_is_spelled_by_the_platform_or_refused() {
        let refused = check("https://bücher.example.org/", &Policy::default());
        assert_eq!(refused, Err(Refusal::Unreadable("its host is not in ASCII".to_owned())));
        let none = Policy { spell: Some(|_| None), ..Policy::default() };
        assert!(matches!(check("https://bücher.example.org/", &none), Err(Refusal::Unreadable(_))));
        // What the platform answers is judged like anything else.
        let inside = Policy { spell: Some(|_| Some("http://10.0.0.1/".to_owned())), ..Policy::default() };
        assert!(matches!(check("https://bücher.example.org/", &inside), Err(Refusal::Address { .. })));
        assert!(check("https://xn--bcher-kva.example.org/", &Policy::default()).is_ok());
        assert!(matches!(check("https://xn--a.example.org/", &none), Err(Refusal::Unreadable(_))));
    }

    #[test]
    fn what_parsers_read_differently_is_normalized_by_the_platform() {
        let asked =
            Policy { spell: Some(|_| Some("https://asked.example/".to_owned())), ..Policy::default() };
        let url = |url: &str| check(url, &asked).expect("a URL").url;
        for odd in ["^", "`", "{", "}", "|", "\"", "<", ">", "'", "\u{fc}"] {
            assert_eq!(url(&format!("https://example.com/{odd}?a")), "https://asked.example/", "{odd}");
        }
        for usual in ["https://example.com/a-b_c.d~e/%41?x=1&y=(2)!*;,#f", "https://example.com:8443/@$+"] {
            assert_eq!(url(usual), usual);
        }
        let alone = check("https://example.com/a^b?c^d", &Policy::default()).expect("a URL");
        assert_eq!(alone.url, "https://example.com/a%5Eb?c^d");
    }

    #[test]
    fn public_urls_are_taken_in_one_spelling() {
        for (url, one) in [
            ("https://example.com/hooks?a=b#c", "https://example.com/hooks?a=b#c"),
            ("https://EXAMPLE.com", "https://example.com/"),
            ("HTTP://example.com:80/x", "http://example.com/x"),
            ("https://example.com:8443/", "https://example.com:8443/"),
            ("https://bücher.example.org/ü", "https://xn--bcher-kva.example.org/%C3%BC"),
            ("https://8.8.8.8/", "https://8.8.8.8/"),
            ("https://134744072/", "https://8.8.8.8/"),
            ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
            ("https://[::ffff:8.8.8.8]/", "https://[::ffff:808:808]/"),
            ("https://example.com/@x?y=@z", "https://example.com/@x?y=@z"),
            ("https://notlocalhost.com/", "https://notlocalhost.com/"),
            ("https://local.example.com/", "https://local.example.com/"),
        ] {
            let target = check(url, &any());
            assert_eq!(target.map(|t| t.url), Ok(one.to_owned()), "{url}");
        }
        let target = check("https://EXAMPLE.com:8443/a", &Policy::default()).unwrap();
        assert_eq!((target.host.as_str(), target.secure), ("example.com", true));
        assert!(!check("http://example.com", &Policy::default()).unwrap().secure);
    }

    #[test]
    fn every_spelling_of_a_private_address_is_refused() {
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://127.0.1/",
            "http://2130706433/",
            "http://017700000001/",
            "http://0177.0.0.1/",
            "http://0x7f000001/",
            "http://0x7f.0x0.0x0.0x1/",
            "http://0X7F.1/",
            "http://127.0.0.1./",
            "http://127.0.0.1:8080/",
            "http:127.0.0.1",
            "http:/127.0.0.1",
            "http:////127.0.0.1/",
            "http://%31%32%37.0.0.1/",
            "http://127%2e0%2e0%2e1/",
            "http://127。0。0。1/",
            "http://１２７.0.0.1/",
            "http://①②⑦.0.0.1/",
            "http://0/",
            "http://0.0.0.0/",
            "http://0.1.2.3/",
            "http://10.0.0.1/",
            "http://172.16.0.1/",
            "http://172.31.255.255/",
            "http://192.168.1.1/",
            "http://169.254.169.254/latest/meta-data/",
            "http://100.64.0.1/",
            "http://192.0.0.8/",
            "http://192.0.2.1/",
            "http://192.88.99.1/",
            "http://198.18.0.1/",
            "http://198.19.255.255/",
            "http://198.51.100.1/",
            "http://203.0.113.1/",
            "http://224.0.0.1/",
            "http://239.255.255.250/",
            "http://240.0.0.1/",
            "http://255.255.255.255/",
            "http://[::]/",
            "http://[::1]/",
            "http://[0:0:0:0:0:0:0:1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[::ffff:0:127.0.0.1]/",
            "http://[::127.0.0.1]/",
            "http://[::10.0.0.1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[64:ff9b:1::1]/",
            "http://[100::1]/",
            "http://[2001::1]/",
            "http://[2001:20::1]/",
            "http://[2001:db8::1]/",
            "http://[2002:7f00:1::]/",
            "http://[3fff::1]/",
            "http://[3fff:fff::1]/",
            "http://[4000::1]/",
            "http://[5f00::1]/",
            "http://[fc00::1]/",
            "http://[fd12:3456::1]/",
            "http://[fe80::1]/",
            "http://[febf::1]/",
            "http://[fec0::1]/",
            "http://[ff02::1]/",
        ] {
            assert_eq!(code(url), "url_address", "{url}");
        }
        for neighbor in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "[2001:200::]",
            "[2001:db7::]",
            "[2001:db9::]",
            "[2003::]",
            "[3ffe::]",
        ] {
            assert_eq!(code(&format!("https://{neighbor}/")), "ok", "{neighbor}");
        }
    }

    #[test]
    fn local_names_are_refused() {
        for name in [
            "localhost",
            "LOCALHOST",
            "localhost:8080",
            "api.localhost",
            "ｌocalhost",
            "%6cocalhost",
            "metadata.google.internal",
            "printer.local",
            "local",
            "nas.lan",
            "router.home.arpa",
            "db",
            "postgres:5432",
            "localhost.localdomain",
            "intra.corp",
        ] {
            assert_eq!(code(&format!("http://{name}/")), "url_local_name", "{name}");
        }
    }

    #[test]
    fn other_hosts_that_are_none_are_refused() {
        for host in ["localhost.", "example.com.", "a..b.com", ".example.com", "example.com.."] {
            assert_eq!(code(&format!("https://{host}/")), "url_host", "{host}");
        }
        for url in [
            "",
            "/",
            "example.com",
            "//example.com/",
            "https://",
            "https:///",
            "https://:80/",
            "https://1.2.3.4.5/",
            "https://256.1.1.1/",
            "https://1.2.3.0x/x y",
            "https://[::1/",
            "https://[::1%25eth0]/",
            "https://a b/",
            "https://exa\tmple.com/",
            "https://exa\nmple.com/",
            " https://example.com/",
            "https://example.com/\0",
            "https://example.com\\@127.0.0.1/",
            "https://ex\u{2028}ample.com/",
            "https://example.com:99999/",
            "https://<x>.com/",
            "https://a%00b.com/",
        ] {
            assert_eq!(code(url), "url_unreadable", "{url:?}");
        }
    }

    #[test]
    fn schemes_users_and_lengths() {
        for url in [
            "ftp://example.com/",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "ws://example.com",
            "data:,x",
            "localhost:80",
        ] {
            assert_eq!(code(url), "url_scheme", "{url}");
        }
        for url in [
            "https://user@example.com/",
            "https://user:pass@example.com/",
            "https://@example.com/",
            "https://:@example.com/",
            "https:user@example.com",
        ] {
            assert_eq!(code(url), "url_userinfo", "{url}");
        }
        let url = |length: usize| format!("https://example.com/{}", "a".repeat(length - 20));
        assert_eq!(code(&url(2048)), "ok");
        assert_eq!(code(&url(2049)), "url_too_long");
        assert_eq!(
            code(&format!("https://example.com/{}", "ü".repeat(900))),
            "url_too_long",
            "as it is sent"
        );
        let only = Policy { https_only: true, ..Policy::default() };
        assert_eq!(check("http://example.com/", &only), Err(Refusal::HttpsOnly));
        assert!(check("https://example.com/", &only).is_ok());
    }

    #[test]
    fn settings_open_networks() {
        let loopback = opened(&["127.0.0.0/8"]);
        for url in [
            "http://127.0.0.1:9/",
            "http://2130706433/",
            "http://[::ffff:127.0.0.1]/",
            "http://localhost:9/",
            "http://a.localhost/",
        ] {
            assert!(check(url, &loopback).is_ok(), "{url}");
        }
        for url in
            ["http://[::1]/", "http://10.0.0.1/", "http://db/", "http://x.internal/", "http://localhost./"]
        {
            assert!(check(url, &loopback).is_err(), "{url}");
        }
        assert!(check("http://[::1]/", &opened(&["::1"])).is_ok());
        assert!(check("http://localhost/", &opened(&["::1"])).is_ok());
        assert!(check("http://localhost/", &opened(&["127.0.0.2"])).is_err());
        assert!(check("http://10.1.2.3/", &opened(&["fd00::/8", "10.1.0.0/16"])).is_ok());
        assert!(check("http://db/", &opened(&["0.0.0.0/0"])).is_ok());
        assert!(check("http://[::ffff:10.0.0.1]/", &opened(&["::/0"])).is_err(), "it is an IPv4 address");
    }

    #[test]
    fn an_ip_address_is_refused_unless_a_setting_allows_it_or_its_network() {
        let names_only = Policy { ip_addresses: false, ..any() };
        for url in [
            "https://8.8.8.8/",
            "https://134744072/",
            "https://0x8.010.2056/",
            "http://[2606:4700::1111]/",
            "http://8。8.8.8/",
        ] {
            let refusal = check(url, &names_only).unwrap_err();
            assert_eq!(refusal.code(), "url_ip_address", "{url}");
            assert!(refusal.to_string().contains("ALLOW_IP_ADDRESSES"), "{refusal}");
            assert!(check(url, &any()).is_ok(), "{url}");
        }
        assert_eq!(
            check("http://10.0.0.1/", &names_only).unwrap_err().code(),
            "url_address",
            "the worse reason"
        );
        let opened = Policy {
            allowed: vec!["8.8.8.0/24".parse().unwrap(), "10.0.0.0/8".parse().unwrap()],
            ..names_only
        };
        assert!(check("http://8.8.8.8/", &opened).is_ok());
        assert!(check("http://10.0.0.1/", &opened).is_ok());
        assert!(check("http://9.9.9.9/", &opened).is_err());
        let plain = check("http://8.8.8.8/", &Policy::public()).unwrap();
        assert!(is_plain(&plain), "a public address is public by name or not");
    }

    #[test]
    fn networks_are_addresses_with_a_prefix() {
        for (text, says) in [
            ("127.0.0.0/8", "127.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("fd00::/8", "fd00::/8"),
            ("::1", "::1/128"),
        ] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), says);
        }
        for bad in [
            "",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "::/129",
            "10.0.0.1/8",
            "10.0/8",
            "localhost",
            "fd00::1/8",
            "10.0.0.0/8/8",
            "0.0.0.0/256",
        ] {
            let error = bad.parse::<Cidr>().unwrap_err().to_string();
            assert!(error.contains("is not a network"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_refusal_says_what_it_understood() {
        let says = |url: &str| check(url, &Policy::default()).unwrap_err().to_string();
        assert_eq!(
            says("http://0x7f.1/"),
            "Requests to 127.0.0.1 are blocked: 127.0.0.0/8 is the loopback (the setting ALLOWED_NETWORKS \
             allows networks)."
        );
        assert!(says("http://[::1]/").contains("::1 is the loopback"));
        assert!(says("http://[64:ff9b::1]/").contains("NAT64"));
        assert!(says("http://[2001::1]/").contains("Teredo"));
        assert!(says("http://[4000::1]/").contains("outside 2000::/3"));
        assert!(says("http://255.255.255.255/").contains("broadcast"));
    }

    proptest! {
        #[test]
        fn every_form_of_an_ipv4_address_is_judged_alike(bits: u32) {
            let address = Ipv4Addr::from(bits);
            let [a, b, c, d] = address.octets();
            let plain = code(&format!("http://{address}/"));
            for form in [
                format!("{bits}"),
                format!("0x{bits:x}"),
                format!("0{bits:o}"),
                format!("0x{a:x}.0{b:o}.{c}.0x{d:x}"),
                format!("{a}.{}", bits & 0x00ff_ffff),
                format!("{address}."),
                format!("[::ffff:{address}]"),
                format!("[::ffff:{:x}:{:x}]", bits >> 16, bits & 0xffff),
            ] {
                prop_assert_eq!(code(&format!("http://{form}/")), plain, "{}", form);
            }
        }

        #[test]
        fn no_local_v4_address_passes(bits: u32) {
            let address = Ipv4Addr::from(bits);
            let local = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_multicast() || address.is_broadcast() || address.is_documentation()
                || address.octets()[0] == 0 || address.octets()[0] >= 240;
            let verdict = code(&format!("http://{address}/"));
            prop_assert!(!local || verdict == "url_address");
        }

        #[test]
        fn outside_of_the_public_internet_no_v6_address_passes(bits: u128) {
            let address = Ipv6Addr::from(bits);
            let verdict = code(&format!("http://[{address}]/"));
            let global = address.segments()[0] >> 13 == 1;
            prop_assert!(global || address.to_ipv4().is_some() || verdict == "url_address", "{}", address);
        }

        #[test]
        fn a_network_contains_what_shares_its_prefix(bits: u128, other: u128, prefix in 0u8..=128) {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            let cidr: Cidr = format!("{}/{prefix}", Ipv6Addr::from(bits & mask)).parse().unwrap();
            prop_assert!(cidr.contains(Ipv6Addr::from((bits & mask) | (other & !mask)).into()));
            prop_assert_eq!(cidr.contains(Ipv6Addr::from(other).into()), (bits ^ other) & mask == 0);
            let prefix = prefix / 4;
            let (bits, other, mask) = ((bits >> 96) as u32, (other >> 96) as u32, u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0));
            let cidr: Cidr = format!("{}/{prefix}", Ipv4Addr::from(bits & mask)).parse().unwrap();
            prop_assert_eq!(cidr.contains(Ipv4Addr::from(other).into()), (bits ^ other) & mask == 0);
        }

        #[test]
        fn any_text_is_answered_and_what_passes_passes_again(
            s in ".*",
            t in "https?:/{0,3}[a-z0-9.@:%\\[\\]x_-]{0,30}/?[a-z]{0,5}",
        ) {
            for url in [s, t] {
                if let Ok(target) = check(&url, &Policy::default()) {
                    prop_assert_eq!(check(&target.url, &Policy::default()), Ok(target.clone()), "{}", url);
                }
                let _ = url.parse::<Cidr>();
            }
        }
    }
}
