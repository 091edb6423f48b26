//! Distinguishes failures of the platform from failures of a receiver.
//!
//! A refusal by the platform (too many requests for one event, an object that was reset) is not the receiver's
//! failure: no attempt is recorded, and its circuit breaker does not change. Conversely, Cloudflare *responds* itself
//! if it cannot reach the receiver: such a response is a failure to connect, not a status of the receiver.

/// Parts of the messages by which the platform refuses to carry something out. None of them speaks of a receiver.
const REFUSALS: [&str; 9] = [
    "Too many subrequests",
    "Subrequest depth limit exceeded",
    "is overloaded",
    "too much load on Durable Objects",
    "reset because its code was updated",
    "instance is no longer active",
    "exceeded its memory limit",
    "exceeded its CPU time limit",
    "exceeded its CPU limit",
];

/// Why a request to a receiver has no response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The platform did not carry it out.
    Refused,
    /// The platform says no more than "internal error": where Weir is deployed that is a fault of the platform's, and in a
    /// local run it is a name that does not resolve, or TLS that fails. A sentence for the latter.
    Internal(&'static str),
    /// The receiver could not be reached, or broke off; a sentence.
    Receiver(String),
}

/// Whether the platform refused something, by the message of its error.
pub fn is_refusal(message: &str) -> bool {
    REFUSALS.iter().any(|part| message.contains(part))
}

/// Whether the platform refused a call because what its object did for its latest event is used up: another event may do it.
pub fn is_used_up(message: &str) -> bool {
    ["Too many subrequests", "Subrequest depth limit exceeded"].iter().any(|part| message.contains(part))
}

/// What an exception of `fetch` says of a request to this URL.
pub fn fault(url: &str, message: &str) -> Fault {
    let secure = url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
    if is_refusal(message) {
        return Fault::Refused;
    }
    if message.contains("internal error") {
        return Fault::Internal(if secure {
            "No connection: the host name does not resolve (DNS), or the TLS handshake failed. Check the host name, that \
             the port speaks TLS, and that the certificate is valid, is for this name, and comes from a public authority."
        } else {
            "No connection: the host name does not resolve (DNS). Check the host name."
        });
    }
    if message.contains("Network connection lost") {
        let checks = if secure { "speaks HTTPS" } else { "speaks HTTP" };
        return Fault::Receiver(format!(
            "No HTTP response: the connection was refused, or closed before a complete and valid response header arrived. \
             Check that the receiver runs, listens on this port, and {checks}."
        ));
    }
    Fault::Receiver(format!("No HTTP response: {message}"))
}

/// Whether Cloudflare answered in the receiver's place, since it could not reach it; a sentence that says why.
///
/// Such an answer has a status of its own (530, or 520 to 527), and nothing but `error code: …` as its body.
pub fn answered_for(code: u16, body: &[u8]) -> Option<String> {
    if code != 530 && !(520..=527).contains(&code) {
        return None;
    }
    let text = std::str::from_utf8(body).ok()?.trim().to_ascii_lowercase();
    let error: u16 = text.strip_prefix("error code:")?.trim().parse().ok()?;
    let why = match error {
        520 => "the receiver closed the connection, or its response was not HTTP",
        521 => {
            "the receiver refused the connection: nothing listens on this port, or a firewall rejects Cloudflare"
        }
        522 => {
            "the receiver did not accept the connection in time: check its address, its port and its firewall"
        }
        523 => "the receiver's address cannot be reached: check the host name's DNS records",
        524 => "the receiver accepted the request and did not respond in time",
        525 => "the TLS handshake failed: check that the port speaks TLS",
        526 => {
            "the receiver's certificate is invalid: it has expired, is self-signed, or is for another name"
        }
        1000 | 1002 => "the host name points to an address that Cloudflare does not connect to",
        1001 | 1016 => "the host name does not resolve (DNS): check its spelling and its DNS records",
        1003 => "Cloudflare does not connect to IP addresses: use a host name",
        1033 => "the receiver's Cloudflare Tunnel is not connected",
        _ => {
            return Some(format!(
                "No connection: Cloudflare could not reach the receiver (error code {error})."
            ));
        }
    };
    Some(format!("No connection: {why} (error code {error})."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_platform_refuses_is_not_the_receivers_fault() {
        for message in [
            "Too many subrequests by single Worker invocation.",
            "Too many subrequests.",
            "Subrequest depth limit exceeded. This request recursed through Workers too many times. This can happen e.g. if …",
            "Durable Object is overloaded. Requests queued for too long.",
            "Your account is generating too much load on Durable Objects. Please back off and try again later.",
            "Durable Object reset because its code was updated.",
            "This script has been upgraded… this Durable Object instance is no longer active.",
            "Durable Object's isolate exceeded its memory limit and was reset.",
            "Durable Object exceeded its CPU time limit and was reset.",
        ] {
            assert!(is_refusal(message), "{message}");
            assert_eq!(fault("https://example.com", message), Fault::Refused, "{message}");
        }
        for message in
            ["Network connection lost.", "internal error; reference = abc", "The operation was aborted", ""]
        {
            assert!(!is_refusal(message), "{message}");
        }
    }

    #[test]
    fn a_connection_that_fails_says_what_to_check() {
        let said = |url: &str, message: &str| match fault(url, message) {
            Fault::Internal(text) => text.to_owned(),
            Fault::Receiver(text) => text,
            Fault::Refused => panic!("{message}"),
        };
        let internal = "internal error; reference = 51m3l0u3u9fcjm20c502jkf2";
        let tls = said("HTTPS://example.com", internal);
        assert!(tls.contains("DNS") && tls.contains("certificate") && !tls.contains("reference"), "{tls}");
        let dns = said("http://example.com", internal);
        assert!(dns.contains("DNS") && !dns.contains("certificate"), "{dns}");
        let lost = said("http://example.com", "Network connection lost.");
        assert!(lost.contains("refused") && lost.contains("HTTP") && !lost.contains("HTTPS"), "{lost}");
        assert!(said("https://example.com", "Network connection lost.").contains("HTTPS"));
        assert!(said("https://example.com", "something new").contains("something new"));
    }

    #[test]
    fn an_answer_that_cloudflare_makes_in_the_receivers_place_is_a_failure_to_connect() {
        for (code, body, word) in [
            (530, "error code: 1016", "DNS"),
            (530, "error code: 1003", "IP addresses"),
            (521, "error code: 521\n", "refused"),
            (522, "error code: 522", "in time"),
            (525, "error code: 525", "TLS"),
            (526, "Error code: 526", "certificate"),
            (530, "error code: 1999", "1999"),
        ] {
            let why = answered_for(code, body.as_bytes());
            assert!(why.as_ref().is_some_and(|why| why.contains(word)), "{code} {body}: {why:?}");
        }
        for (code, body) in [
            (530, "no such tenant"),
            (500, "error code: 1016"),
            (200, "error code: 1016"),
            (521, "error code: none"),
            (521, "error code: 99999999"),
            (522, ""),
        ] {
            assert_eq!(answered_for(code, body.as_bytes()), None, "{code} {body}");
        }
        assert_eq!(answered_for(530, &[0xff, 0xfe]), None);
    }
}
