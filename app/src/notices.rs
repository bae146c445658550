//! Messages about forms that were refused, for the page that the form returns to.
//!
//! Without JavaScript the answer to a form is a redirect, which carries nothing but an
//! address. The address names the message by a random key, so that no link of somebody
//! else can put words into a page.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use leptos::nonce::Nonce;
use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use protocol::Problem;

use crate::backend::accepts_html;

/// The query parameter with the key of a message.
const WORD: &str = "refused";
/// How many messages are kept: each is read once, right after it was made, and again
/// when the page is reloaded.
const KEPT: usize = 256;

/// The latest messages. It is provided as a context, to pages and server functions.
#[derive(Clone, Default)]
pub(crate) struct Notices(Arc<Mutex<VecDeque<(String, Problem)>>>);

impl Notices {
    /// Keeps a message, and returns its key.
    fn keep(&self, problem: Problem) -> String {
        // 128 random bits, as text that can stand in an address.
        let key = Nonce::new().to_string();
        let mut kept = self.lock();
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back((key.clone(), problem));
        key
    }

    fn find(&self, key: &str) -> Option<Problem> {
        self.lock().iter().find(|(kept, _)| kept == key).map(|(_, problem)| problem.clone())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, Problem)>> {
        // The list stays whole even if somebody panicked while holding it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers a form that was refused. A browser is sent to the page at `path`, which has
/// no query or one that ends in `&`, with the message; another client gets the problem.
pub(crate) fn refuse<E: From<Problem>>(problem: Problem, path: &str, part: &str) -> Result<(), E> {
    if !accepts_html() {
        return Err(problem.into());
    }
    let key = expect_context::<Notices>().keep(problem);
    let mark = if path.contains('?') { "" } else { "?" };
    leptos_axum::redirect(&format!("{path}{mark}{WORD}={key}#{part}"));
    Ok(())
}

/// The message that the address of the page names.
pub(crate) fn shown() -> Option<Problem> {
    let key = use_query_map().with_untracked(|query| query.get(WORD))?;
    expect_context::<Notices>().find(&key)
}

#[cfg(test)]
mod tests {
    use protocol::problem::ProblemKind;

    use super::*;

    #[test]
    fn only_what_was_kept_is_found_and_only_for_a_while() {
        let notices = Notices::default();
        let problem = |number: usize| Problem::new(ProblemKind::Conflict, number.to_string());
        let keys: Vec<String> = (0..=KEPT).map(|number| notices.keep(problem(number))).collect();
        assert_eq!(notices.find(&keys[0]), None, "the oldest made room");
        assert_eq!(notices.find(&keys[1]), Some(problem(1)));
        assert_eq!(notices.find(&keys[KEPT]), Some(problem(KEPT)));
        for foreign in ["", "1", "files"] {
            assert_eq!(notices.find(foreign), None);
        }
        assert!(keys.iter().all(|key| key.len() >= 22), "they cannot be guessed");
    }
}
