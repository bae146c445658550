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
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use std::{fs, io};

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

/// All tokens that the server knows. Those of a file are read again when it changes.
/// Then only its valid lines count, so that one that was taken out is of no use whatever
/// else is wrong with the file, and none once the file is gone for two looks.
pub struct Tokens {
    file: Option<PathBuf>,
    known: Mutex<Known>,
}

struct Known {
    tokens: Vec<Token>,
    looked_at: Instant,
    version: Option<Version>,
    /// Whether the file was gone at the last look: an editor may be replacing it.
    was_gone: bool,
}

/// What changes with the content of a file: its time of modification and its size.
type Version = (SystemTime, u64);

impl Tokens {
    /// The tokens of a file.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is not a token file.
    pub fn from_file(file: &Path) -> anyhow::Result<Tokens> {
        let version = version(file);
        let known = Known { version, ..Known::new(read(file)?) };
        Ok(Tokens { file: Some(file.to_owned()), known: Mutex::new(known) })
    }

    /// The tokens of a text that is laid out as a token file.
    ///
    /// # Errors
    ///
    /// If it is not.
    pub fn from_text(text: &str) -> anyhow::Result<Tokens> {
        Ok(Tokens { file: None, known: Mutex::new(Known::new(parse(text)?)) })
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
        let was_gone = std::mem::replace(&mut known.was_gone, now.is_none());
        if now.is_some() && now == known.version || now.is_none() && !was_gone {
            return;
        }
        match fs::read_to_string(file) {
            Ok(text) => {
                known.tokens = valid_tokens(&text);
                known.version = now;
                tracing::info!(tokens = known.tokens.len(), "token file read again");
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !known.tokens.is_empty() {
                    tracing::error!(file = %file.display(), "token file gone: no token is valid");
                }
                known.tokens.clear();
                known.version = None;
            }
            Err(error) => {
                tracing::error!(%error, file = %file.display(), "token file unreadable: unchanged");
            }
        }
    }
}

impl Known {
    fn new(tokens: Vec<Token>) -> Known {
        Known { tokens, looked_at: Instant::now(), version: None, was_gone: false }
    }
}

fn version(file: &Path) -> Option<Version> {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn read(file: &Path) -> anyhow::Result<Vec<Token>> {
    let reading = || format!("reading the token file {}", file.display());
    let text = fs::read_to_string(file).with_context(reading)?;
    parse(&text).with_context(reading)
}

/// The tokens of the lines that are valid; what is wrong with others is logged.
fn valid_tokens(text: &str) -> Vec<Token> {
    let tokens = parse_lines(text).filter_map(|token| {
        token.inspect_err(|error| tracing::error!("token file: {error:#}: line ignored")).ok()
    });
    tokens.collect()
}

fn parse_lines(text: &str) -> impl Iterator<Item = anyhow::Result<Token>> {
    let lines = text.lines().map(str::trim).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(index, line)| parse_line(line).with_context(|| format!("line {}", index + 1)))
}

fn parse(text: &str) -> anyhow::Result<Vec<Token>> {
    let tokens: Vec<Token> = parse_lines(text).collect::<anyhow::Result<_>>()?;
    ensure!(
        !tokens.is_empty(),
        "there is no token in it; `distributed-average token --name NAME --role admin` makes one"
    );
    let hashes: BTreeSet<Hash> = tokens.iter().map(|token| token.hash).collect();
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
    fn of_a_file_that_changes_only_the_valid_lines_count() {
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
        let bob = line("bob", Role::Admin, &second);
        fs::write(&file, format!("not a line\n{bob}\n")).unwrap();
        look();
        assert!(tokens.find(&second).is_some(), "the other line is ignored");
        fs::remove_file(&file).unwrap();
        look();
        assert!(tokens.find(&second).is_some(), "an editor may be replacing it");
        look();
        assert_eq!(tokens.find(&second), None, "it is gone");
        fs::write(&file, &bob).unwrap();
        look();
        assert!(tokens.find(&second).is_some(), "it is back");
    }
}
