//! Who is signed in, in the header of every page.

use leptos::prelude::*;
use protocol::{Caller, Role};

use crate::backend::caller;

/// The name and the role of the caller, and the way in or out. Nothing where nobody
/// signs in.
#[component]
pub fn Session() -> impl IntoView {
    let Some(Caller { name, role, has_session, is_restricted, .. }) = caller() else {
        return sign_in().into_any();
    };
    if is_restricted && role.is_none() {
        return sign_in().into_any();
    }
    let name = name.map(|name| {
        let role = role.filter(|_| is_restricted).map(Role::word);
        view! {
            <span class="session-name">{name}</span>
            {role.map(|role| view! { <span class="hint">{role}</span> })}
        }
    });
    let sign_out = has_session.then(|| {
        view! {
            <form method="post" action="/sign-out">
                <button type="submit" class="link-button">
                    "Sign out"
                </button>
            </form>
        }
    });
    view! { <div class="session">{name} {sign_out}</div> }.into_any()
}

fn sign_in() -> impl IntoView {
    view! {
        <div class="session">
            <a href="/sign-in">"Sign in"</a>
        </div>
    }
}
