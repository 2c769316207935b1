//! Where an engine is, as one line of a configuration.

use std::fmt;

use crate::error::{Error, Kind};

/// Where an engine is and how to get in, parsed: `scheme://[user[:password]@]host[:port][,host[:port]…][/path][?key=value&…]`.
///
/// What stands in front of the `@` and in the values of keys that name secrets is never shown: neither by [`Display`](fmt::Display)
/// nor by [`Debug`]. Bytes that have a meaning in URLs are written as `%` and two hexadecimal digits.
///
/// ```
/// use lockutils::distributed::BackendUrl;
/// let url = BackendUrl::parse("etcd://root:secret@a:2379,b:2379/locks?request_timeout=2s")?;
/// assert_eq!(url.hosts(), ["a:2379", "b:2379"]);
/// assert_eq!((url.password(), url.path(), url.value("request_timeout")), (Some("secret"), "locks", Some("2s")));
/// assert_eq!(url.to_string(), "etcd://a:2379,b:2379/locks");
/// # Ok::<(), lockutils::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct BackendUrl {
    /// As it was written.
    text: String,
    scheme: String,
    user: Option<String>,
    password: Option<String>,
    hosts: Vec<String>,
    path: String,
    query: Vec<(String, String)>,
}

impl BackendUrl {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`], which does not show what was secret in it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let whole = text.to_owned();
        let (scheme, rest) =
            text.split_once(':').ok_or_else(|| wrong("it has no scheme, such as `redis://`"))?;
        let valid = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        if scheme.is_empty() || !scheme.chars().all(valid) {
            return Err(wrong("what stands before the first colon is no scheme, such as `redis`"));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let query = query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect::<Result<_, _>>()?;
        let scheme = scheme.to_ascii_lowercase();
        let Some(rest) = rest.strip_prefix("//") else {
            if scheme != "file" && whole.contains('@') {
                return Err(wrong("it has a `@`, and no `//` behind the first colon"));
            }
            let path = decoded(rest)?;
            return Ok(Self {
                text: whole,
                scheme,
                user: None,
                password: None,
                hosts: Vec::new(),
                path,
                query,
            });
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, authority),
        };
        let (user, password) = login.map_or(Ok((None, None)), self::login)?;
        if !authority.contains('@') && scheme != "file" && whole.contains('@') {
            return Err(wrong("it has a `@`, but not before its hosts; write `%2F` for `/` in a password"));
        }
        let hosts = hosts.split(',').filter(|host| !host.is_empty()).map(host).collect::<Result<_, _>>()?;
        Ok(Self { text: whole, scheme, user, password, hosts, path: decoded(path)?, query })
    }

    /// As it was written, with all that is secret.
    pub fn as_written(&self) -> &str {
        &self.text
    }

    /// What kind of engine: `redis`, `etcd`, in small letters.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Who wants to get in.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The password. Not for messages.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The endpoints, each with its port if one is said.
    pub fn hosts(&self) -> Vec<&str> {
        self.hosts.iter().map(String::as_str).collect()
    }

    /// The same, with this port where none is said: `[::1]:2379`.
    pub fn hosts_or(&self, port: u16) -> Vec<String> {
        self.hosts
            .iter()
            .map(|host| if has_port(host) { host.clone() } else { format!("{host}:{port}") })
            .collect()
    }

    /// What stands behind the first `/` after the endpoints, without that slash; or behind the colon, where there are no
    /// slashes.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The value of a key behind the `?`; the last one counts.
    pub fn value(&self, key: &str) -> Option<&str> {
        self.query.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// # Errors
    ///
    /// [`Error::is_config`] when there is a key that is none of these: a word that was misspelled must not be ignored.
    pub fn expect_keys(&self, known: &[&str]) -> Result<(), Error> {
        match self.query.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            Some((key, _)) if known.is_empty() => {
                Err(wrong(&format!("`{}:` has no key `{key}`, nor any other", self.scheme)))
            }
            Some((key, _)) => Err(wrong(&format!(
                "`{}:` has no key `{key}`; its keys are {}",
                self.scheme,
                known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
            ))),
            None => Ok(()),
        }
    }
}

fn login(text: &str) -> Result<(Option<String>, Option<String>), Error> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(decoded(password)?)),
        None => (text, None),
    };
    Ok((Some(decoded(user)?).filter(|user| !user.is_empty()), password))
}

fn pair(text: &str) -> Result<(String, String), Error> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    Ok((decoded(key)?, decoded(value)?))
}

/// A name or an address, with a port or none. What is neither may be a password, and is not shown.
fn host(text: &str) -> Result<String, Error> {
    let (name, port) = if has_port(text) { text.rsplit_once(':').unwrap_or((text, "")) } else { (text, "1") };
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0) && !port.starts_with('+');
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let is_name = bare.map_or(!name.contains([':', '[', ']']), |address| address.contains(':'));
    if !is_port || !is_name || name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control())
    {
        return Err(wrong(
            "one of its hosts is none; they are `name`, `name:port`, `[::1]` or `[::1]:port`, behind `user:password@` if need be",
        ));
    }
    Ok(text.to_owned())
}

/// Whether something follows the name, and not only the address goes on.
fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'))
}

/// With each `%41` read as what it stands for.
fn decoded(text: &str) -> Result<String, Error> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.extend(u8::try_from(high << 4 | low));
                rest = &after[2..];
            }
            (b'%', ..) => {
                return Err(wrong("it has a `%` without two hexadecimal digits; write `%25` for `%`"));
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| wrong("what it has behind a `%` is no UTF-8"))
}

fn wrong(why: &str) -> Error {
    Kind::Config { what: format!("backend_url cannot be used: {why}"), source: None }.into()
}

/// Without user, password and keys.
impl fmt::Display for BackendUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme)?;
        if !self.hosts.is_empty() || self.scheme == "file" {
            write!(f, "//{}", self.hosts.join(","))?;
            if !self.path.is_empty() {
                f.write_str("/")?;
            }
        }
        f.write_str(&self.path)
    }
}

impl fmt::Debug for BackendUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BackendUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> BackendUrl {
        BackendUrl::parse(text).expect("a URL")
    }

    #[test]
    fn its_parts_are_found() {
        let all = url("rediss://me%40home:p%3a%25@a,b:7,[::1]:8,[::2]/3/x?ca=/etc/ca.pem&flag&n=1&n=2");
        assert_eq!((all.scheme(), all.user(), all.password()), ("rediss", Some("me@home"), Some("p:%")));
        assert_eq!(all.hosts_or(6379), ["a:6379", "b:7", "[::1]:8", "[::2]:6379"]);
        assert_eq!((all.path(), all.value("ca"), all.value("flag")), ("3/x", Some("/etc/ca.pem"), Some("")));
        assert_eq!((all.value("n"), all.value("m")), (Some("2"), None));
        assert_eq!(url("redis://:pw@h").password(), Some("pw"));
        assert_eq!((url("redis://:pw@h").user(), url("redis://u@h").user()), (None, Some("u")));
        assert_eq!((url("memory:").path(), url("memory:x").path()), ("", "x"));
        assert_eq!((url("file:///run/x").path(), url("FILE:///run").scheme()), ("run/x", "file"));
    }

    #[test]
    fn what_is_secret_is_not_shown() {
        let secret = url("etcd://root:hunter2@a:1,b/locks?token=hunter2");
        for shown in [secret.to_string(), format!("{secret:?}")] {
            assert!(!shown.contains("hunter2") && !shown.contains("root"), "{shown}");
            assert!(shown.contains("etcd://a:1,b/locks"), "{shown}");
        }
        assert_eq!(url("memory:x").to_string(), "memory:x");
        assert_eq!(url("file:///run/x").to_string(), "file:///run/x");
    }

    #[test]
    fn what_cannot_be_read_is_refused_without_being_shown() {
        for text in
            ["hunter2", "a b://hunter2", "redis://u:%zzhunter2@h", "redis://u:%ff@hunter2", "://hunter2"]
        {
            let error = BackendUrl::parse(text).expect_err("it is wrong");
            assert!(error.is_config() && !error.to_string().contains("hunter2"), "{error}");
        }
        let error = url("redis://h?tls=1").expect_keys(&["ca", "cert"]).expect_err("there is no such key");
        assert!(error.to_string().contains("`tls`; its keys are `ca`, `cert`"), "{error}");
    }
}
