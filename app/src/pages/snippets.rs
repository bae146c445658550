//! A request as it is made from a terminal.

use leptos::prelude::*;

use crate::backend::{caller, host};
use crate::snippets::{Server, Snippets};

/// The server of this page, as snippets address it.
#[must_use]
pub fn this_server() -> Server {
    let needs_token = caller().is_some_and(|caller| caller.is_restricted);
    Server { origin: host(), needs_token }
}

/// A request with curl, in Python and by the command line, to be pasted.
#[component]
pub fn SnippetList(
    /// The snippets.
    snippets: Snippets,
) -> impl IntoView {
    let Snippets { curl, python, command } = snippets;
    let token = this_server().needs_token.then(|| {
        view! { <p class="hint">"Your token is expected in the environment variable TOKEN."</p> }
    });
    let command = match command {
        Some(text) => view! {
            <Snippet name="command" title="Command line" text />
            <p class="hint">"Computes the mean on your machine, of the same numbers."</p>
        }
        .into_any(),
        None => view! {
            <h3>"Command line"</h3>
            <p class="hint">
                "distributed-average mean reads files of the machine that it runs on, which this "
                "request does not name."
            </p>
        }
        .into_any(),
    };
    view! {
        <div class="snippets">
            {token}
            <Snippet name="curl" title="curl" text=curl />
            <Snippet name="python" title="Python" text=python />
            {command}
        </div>
    }
}

#[component]
fn Snippet(name: &'static str, title: &'static str, text: String) -> impl IntoView {
    view! {
        <h3>{title}</h3>
        <pre tabindex="0" data-snippet=name>
            <code>{text}</code>
        </pre>
    }
}
