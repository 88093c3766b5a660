//! How settings are written: addresses, durations, switches.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name or an IP address, of IPv6 without brackets.
    pub(crate) host: String,
    /// 0 where something listens: any that is free.
    pub(crate) port: u16,
}

impl Address {
    /// True if only this machine is behind it.
    pub(crate) fn is_loopback(&self) -> bool {
        let name = self.host.eq_ignore_ascii_case("localhost");
        name || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

const LISTEN: &str = "expected a port, as in :50051 or 50051, or HOST:PORT";
const REACH: &str = "expected HOST:PORT, as in localhost:50051";

/// Where to listen: `PORT`, `:PORT` (both on 127.0.0.1) or `HOST:PORT`.
pub(crate) fn listen(text: &str) -> Result<Address, &'static str> {
    address(text.trim(), None).ok_or(LISTEN)
}

/// What to connect to: as [`listen`], and `HOST` alone with the port that is usual.
pub(crate) fn reach(text: &str, usual: u16) -> Result<Address, &'static str> {
    let address = address(text.trim(), Some(usual)).ok_or(REACH)?;
    if address.port == 0 { Err(REACH) } else { Ok(address) }
}

fn address(text: &str, usual: Option<u16>) -> Option<Address> {
    let local = |port| Some(Address { host: "127.0.0.1".to_owned(), port });
    if let Some(port) = digits(text) {
        return local(port);
    }
    // [::1]:50051, or [::1] alone.
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        host.parse::<std::net::Ipv6Addr>().ok()?;
        let port = if rest.is_empty() { usual } else { rest.strip_prefix(':').and_then(digits) };
        return port.map(|port| Address { host: host.to_owned(), port });
    }
    match text.rsplit_once(':') {
        Some(("", port)) => local(digits(port)?),
        Some((host, port)) if is_host(host) => Some(Address { host: host.to_owned(), port: digits(port)? }),
        None if is_host(text) => usual.map(|port| Address { host: text.to_owned(), port }),
        _ => None,
    }
}

fn digits(text: &str) -> Option<u16> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// A name of DNS or an IPv4 address, as far as its characters tell; one without letters must be the latter.
fn is_host(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let numeric = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    !text.is_empty() && text.chars().all(letter) && (!numeric || text.parse::<std::net::Ipv4Addr>().is_ok())
}

/// A host without a port.
pub(crate) fn host(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    let ip = text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match ip {
        Ok(ip) => Ok(ip.to_string()),
        Err(_) if is_host(text) => Ok(text.to_owned()),
        Err(_) => Err("expected a host name or an IP address"),
    }
}

/// A positive duration: `500ms`, `5s`, `2m`, `1h`, `7d`, or seconds without a unit; up to ten years.
pub(crate) fn duration(text: &str) -> Result<Duration, &'static str> {
    const EXPECTED: &str = "expected a duration above 0, as in 500ms, 5s, 2m, 1h or seconds";
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let scale = match text[end..].trim_start().to_ascii_lowercase().as_str() {
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(EXPECTED),
    };
    let seconds = text[..end].parse::<f64>().map_err(|_| EXPECTED)? * scale;
    if (1e-3..=3.2e8).contains(&seconds) { Ok(Duration::from_secs_f64(seconds)) } else { Err(EXPECTED) }
}

/// A switch.
pub(crate) fn switch(text: &str) -> Result<bool, &'static str> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("expected true or false"),
    }
}

/// A whole number from 1.
pub(crate) fn count(text: &str) -> Result<u32, &'static str> {
    let number = text.trim().parse().ok().filter(|&number| (1..=1_000_000).contains(&number));
    number.ok_or("expected a whole number from 1 to 1000000")
}

/// A positive amount.
pub(crate) fn amount(text: &str) -> Result<f64, &'static str> {
    let number = text.trim().parse().ok().filter(|number| (1e-3..=1e9).contains(number));
    number.ok_or("expected a number above 0")
}

/// How much is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogLevel {
    /// What failed.
    Error,
    /// And what is suspicious.
    Warn,
    /// And what has changed.
    #[default]
    Info,
    /// And what was decided.
    Debug,
    /// Everything.
    Trace,
}

/// A level, in any case.
pub(crate) fn log_level(text: &str) -> Result<LogLevel, &'static str> {
    match text.trim().to_ascii_lowercase().as_str() {
        "error" => Ok(LogLevel::Error),
        "warn" | "warning" => Ok(LogLevel::Warn),
        "info" => Ok(LogLevel::Info),
        "debug" => Ok(LogLevel::Debug),
        "trace" => Ok(LogLevel::Trace),
        _ => Err("expected error, warn, info, debug or trace"),
    }
}

/// Any text that is not empty.
pub(crate) fn text(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() { Err("expected some text") } else { Ok(text.to_owned()) }
}

/// A duration from now (`+30m`), or unix seconds. `now` and the answer are unix seconds.
pub(crate) fn deadline(text: &str, now: i64) -> Result<i64, &'static str> {
    const EXPECTED: &str = "expected unix seconds, or a duration from now, as in +30m";
    match text.trim().strip_prefix('+') {
        Some(from_now) => {
            let seconds = duration(from_now).map_err(|_| EXPECTED)?.as_secs_f64().ceil();
            #[expect(clippy::cast_possible_truncation, reason = "at most ten years")]
            let seconds = seconds as i64;
            Ok(now + seconds)
        }
        None => text.trim().parse().ok().filter(|&seconds| seconds > 0).ok_or(EXPECTED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, host, port) in [
            (":50051", "127.0.0.1", 50_051),
            ("8080", "127.0.0.1", 8080),
            (" 0.0.0.0:1 ", "0.0.0.0", 1),
            ("node-1.example:7", "node-1.example", 7),
            ("[::1]:9", "::1", 9),
            (":0", "127.0.0.1", 0),
        ] {
            assert_eq!(listen(text), Ok(Address { host: host.to_owned(), port }), "{text}");
        }
        for bad in [
            "", ":", "x", ":x", ":70000", "a:b:1", "::1", "[::1]", "[x]:1", "1.2.3:4", "a b:1", "1.2.3.4",
            "-1", "+5",
        ] {
            assert_eq!(listen(bad), Err(LISTEN), "{bad}");
        }
        assert_eq!(reach("master", 50_051).unwrap().to_string(), "master:50051");
        assert_eq!(reach("[::1]", 50_051).unwrap().to_string(), "[::1]:50051");
        assert_eq!(reach(":7", 50_051).unwrap().to_string(), "127.0.0.1:7");
        assert_eq!(reach("x:0", 1), Err(REACH));
    }

    #[test]
    fn what_is_on_this_machine() {
        let loopback = |text| listen(text).unwrap().is_loopback();
        assert!(loopback(":1") && loopback("LocalHost:1") && loopback("127.8.0.1:1") && loopback("[::1]:1"));
        assert!(loopback("[::ffff:127.0.0.1]:1"));
        assert!(
            !loopback("0.0.0.0:1") && !loopback("[::]:1") && !loopback("10.0.0.1:1") && !loopback("host:1")
        );
    }

    #[test]
    fn durations() {
        for (text, millis) in [
            ("5s", 5000),
            ("500ms", 500),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("7", 7000),
            ("1.5 S", 1500),
            ("1d", 86_400_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["", "s", "0", "-1s", "1w", "1 h 2", "1e3", "nan", "1..2s", "99999999h"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn switches_levels_and_numbers() {
        assert_eq!((switch("True"), switch("off")), (Ok(true), Ok(false)));
        assert!(switch("maybe").is_err());
        assert_eq!((log_level("WARN"), log_level("Debug")), (Ok(LogLevel::Warn), Ok(LogLevel::Debug)));
        assert!(log_level("loud").is_err());
        assert_eq!((count("100"), count("0").is_err(), count("1.5").is_err()), (Ok(100), true, true));
        assert_eq!((amount("0.5"), amount("0").is_err(), amount("inf").is_err()), (Ok(0.5), true, true));
        assert_eq!(
            (host("[::1]"), host("10.1.2.3"), host("a b").is_err()),
            (Ok("::1".into()), Ok("10.1.2.3".into()), true)
        );
        assert_eq!((deadline("+2m", 100), deadline("1800000000", 100)), (Ok(220), Ok(1_800_000_000)));
        assert!(deadline("2m", 100).is_err() && deadline("+x", 100).is_err() && deadline("-5", 100).is_err());
    }
}
