//! The tokens that callers have.
//!
//! A token is 32 random bytes as text. The server knows only its SHA-256, which is
//! all that a text of that many random bits needs. A token file has a line for each:
//!
//! ```text
//! # name  role    hash
//! alice   admin   sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//! ci      submit  sha256:60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752
//! ```

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::Role;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How a token begins, so that programs that look for leaked secrets find it.
const PREFIX: &str = "da_";
/// How a hash begins in a token file.
const HASH_PREFIX: &str = "sha256:";
/// The longest name, in bytes: names are shown on pages.
pub const NAME_BYTES_MAX: usize = 100;
/// How often the file is looked at. A token that was taken out of it is of no use
/// after this.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A SHA-256.
pub type Hash = [u8; 32];

/// A token that the server knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The name of its holder; several tokens may have the same.
    pub name: String,
    /// What its holder may do.
    pub role: Role,
    /// The hash of its text.
    pub hash: Hash,
}

/// The text of a new token.
#[must_use]
pub fn generate() -> String {
    let random: [u8; 32] = rand::random();
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random))
}

/// The line of a token file for a token.
#[must_use]
pub fn line(name: &str, role: Role, token: &str) -> String {
    let hash: String = hash(token).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name} {role} {HASH_PREFIX}{hash}")
}

fn hash(token: &str) -> Hash {
    Sha256::digest(token.as_bytes()).into()
}

/// All tokens that the server knows. Those of a file are read again when it
/// changes; while it cannot be read, those read before are valid.
pub struct Tokens {
    file: Option<PathBuf>,
    known: Mutex<Known>,
}

struct Known {
    tokens: Vec<Token>,
    looked_at: Instant,
    version: Option<(SystemTime, u64)>,
}

impl Tokens {
    /// The tokens of a file.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is not a token file.
    pub fn from_file(file: &Path) -> anyhow::Result<Tokens> {
        let version = version(file);
        let known = Known { tokens: read(file)?, looked_at: Instant::now(), version };
        Ok(Tokens { file: Some(file.to_owned()), known: Mutex::new(known) })
    }

    /// The tokens of a text that is laid out as a token file.
    ///
    /// # Errors
    ///
    /// If it is not.
    pub fn from_text(text: &str) -> anyhow::Result<Tokens> {
        let known = Known { tokens: parse(text)?, looked_at: Instant::now(), version: None };
        Ok(Tokens { file: None, known: Mutex::new(known) })
    }

    /// The token with this text.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Token> {
        self.with_hash(&hash(text))
    }

    /// The token whose text has this hash. How long this takes does not depend on how
    /// alike the hashes are.
    #[must_use]
    pub fn with_hash(&self, hash: &Hash) -> Option<Token> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.look_again(&mut known);
        let mut found = None;
        for token in &known.tokens {
            if bool::from(token.hash.ct_eq(hash)) {
                found = Some(token);
            }
        }
        found.cloned()
    }

    /// Reads the file again if it has changed.
    fn look_again(&self, known: &mut Known) {
        let Some(file) = &self.file else { return };
        if known.looked_at.elapsed() < LOOK_INTERVAL {
            return;
        }
        known.looked_at = Instant::now();
        let now = version(file);
        if now == known.version {
            return;
        }
        match read(file) {
            Ok(tokens) => {
                tracing::info!(tokens = tokens.len(), "token file read again");
                known.tokens = tokens;
                known.version = now;
            }
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "token file unreadable: unchanged");
            }
        }
    }
}

/// What changes with the content of a file: its time of modification and its size.
fn version(file: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn read(file: &Path) -> anyhow::Result<Vec<Token>> {
    let reading = || format!("reading the token file {}", file.display());
    let text = fs::read_to_string(file).with_context(reading)?;
    parse(&text).with_context(reading)
}

fn parse(text: &str) -> anyhow::Result<Vec<Token>> {
    let mut tokens = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            tokens.push(parse_line(line).with_context(|| format!("line {}", index + 1))?);
        }
    }
    ensure!(
        !tokens.is_empty(),
        "there is no token in it; `distributed-average token --name NAME --role admin` makes one"
    );
    let hashes: BTreeSet<Hash> = tokens.iter().map(|token: &Token| token.hash).collect();
    ensure!(hashes.len() == tokens.len(), "a token stands in it twice");
    Ok(tokens)
}

fn parse_line(line: &str) -> anyhow::Result<Token> {
    let parts: Vec<&str> = line.split_whitespace().collect();
    let [name, role, hash] = parts[..] else {
        bail!("a line is a name, a role and a hash, separated by blanks");
    };
    ensure!(name.len() <= NAME_BYTES_MAX, "a name has at most {NAME_BYTES_MAX} bytes");
    let role = role.parse().map_err(anyhow::Error::msg)?;
    let digits = hash.strip_prefix(HASH_PREFIX).and_then(decode_hash);
    let Some(hash) = digits else {
        bail!(
            "the hash is not {HASH_PREFIX} and 64 hexadecimal digits; a token itself does not \
             belong into the file, `distributed-average token` prints its line"
        );
    };
    Ok(Token { name: name.to_owned(), role, hash })
}

fn decode_hash(digits: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    // `from_str_radix` would take a sign too.
    if digits.len() != 2 * hash.len() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_its_text_only() {
        let token = generate();
        let tokens = Tokens::from_text(&line("alice", Role::Submit, &token)).unwrap();
        let found = tokens.find(&token).unwrap();
        assert_eq!((found.name.as_str(), found.role), ("alice", Role::Submit));
        let hash = line("alice", Role::Submit, &token).split(' ').nth(2).unwrap().to_owned();
        for text in ["", "alice", &token[1..], &hash, &hash[HASH_PREFIX.len()..], &generate()] {
            assert_eq!(tokens.find(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_token_file_is_refused_with_the_line() {
        let good = line("alice", Role::View, &generate());
        for (text, expected) in [
            ("", "there is no token"),
            ("# only a comment\n", "there is no token"),
            ("alice admin", "line 1"),
            ("alice root sha256:00", "not a role"),
            ("\nalice admin da_c2VjcmV0", "line 2"),
            (&format!("alice admin {HASH_PREFIX}{}", "+f".repeat(32)), "64 hexadecimal digits"),
            (&format!("{good}\n{good}"), "twice"),
        ] {
            let error = format!("{:#}", parse(text).map(|_| ()).unwrap_err());
            assert!(error.contains(expected), "{text:?}: {error}");
        }
        let both = format!("# a comment\n\n  {good}  \n{}", line("ci", Role::Admin, &generate()));
        assert_eq!(parse(&both).unwrap().len(), 2);
    }

    #[test]
    fn a_file_that_changes_is_read_again_and_one_that_breaks_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        let [first, second] = [generate(), generate()];
        fs::write(&file, line("alice", Role::View, &first)).unwrap();
        let tokens = Tokens::from_file(&file).unwrap();
        let look = || {
            let mut known = tokens.known.lock().unwrap();
            known.looked_at -= 2 * LOOK_INTERVAL;
        };
        fs::write(&file, format!("{}\n", line("bob", Role::Admin, &second))).unwrap();
        look();
        assert_eq!(tokens.find(&first), None, "it was taken out");
        assert_eq!(tokens.find(&second).unwrap().name, "bob");
        fs::write(&file, "no token file").unwrap();
        look();
        assert!(tokens.find(&second).is_some(), "what was read before is valid");
    }
}
