//! The sign-in of a server that lets only those in whom it knows.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

/// The sign-in: a form for a token.
#[component]
pub fn SignInPage() -> impl IntoView {
    let (next, is_unknown) = use_query_map().with_untracked(|query| {
        (query.get("next").unwrap_or_default(), query.get("unknown").is_some())
    });
    let problem = is_unknown.then(|| {
        view! {
            <p class="field-problem" role="alert" id="token-problem">
                "The server does not know this token. It may have been withdrawn."
            </p>
        }
    });
    view! {
        <Title text="Sign in" />
        <section class="card sign-in" aria-labelledby="sign-in-heading">
            <h1 id="sign-in-heading">"Sign in"</h1>
            <p>"Whoever runs this server gives out tokens."</p>
            // Not a server function: the response sets a cookie that scripts cannot read.
            <form method="post" action="/sign-in">
                <input type="hidden" name="next" value=next />
                <label for="token">"Token"</label>
                <input
                    id="token"
                    name="token"
                    type="password"
                    autocomplete="current-password"
                    spellcheck="false"
                    required
                    autofocus
                    aria-describedby="token-problem"
                    aria-invalid=is_unknown.then_some("true")
                />
                {problem}
                <button type="submit" class="button primary">
                    "Sign in"
                </button>
            </form>
        </section>
    }
}
