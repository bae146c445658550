//! The HTML document and the routes.

pub mod session;
pub mod site_header;

use leptos::prelude::*;
use leptos_meta::{HashedStylesheet, MetaTags, Title, provide_meta_context};
use leptos_router::SsrMode;
use leptos_router::components::{FlatRoutes, Route, Router};
use leptos_router::path;

use self::site_header::SiteHeader;
use crate::content_policy;
use crate::pages::compare::ComparePage;
use crate::pages::components::ComponentsPage;
use crate::pages::files::FilesPage;
use crate::pages::history::HistoryPage;
use crate::pages::home::HomePage;
use crate::pages::home::now::NowPage;
use crate::pages::home::plan_line::PlanPage;
use crate::pages::inputs::InputsPage;
use crate::pages::job::task::TaskPage;
use crate::pages::job::tasks::TasksPage;
use crate::pages::job::{JobPage, LogPage, RunPage, ViewPage};
use crate::pages::not_found::NotFoundPage;
use crate::pages::selected::SelectedPage;
use crate::pages::sign_in::SignInPage;
use crate::pages::worker::WorkerPage;

/// The script that runs before the first paint: it marks that JavaScript is
/// available, and restores the chosen theme.
const BEFORE_FIRST_PAINT: &str = "document.documentElement.dataset.script='';\
    try{const t=localStorage.getItem('theme');\
    if(t)document.documentElement.dataset.theme=t}catch{}";

/// The script that writes numbers as the reader's locale does.
const NUMBERS: &str = include_str!("document/numbers.js");

/// What the program does, for search engines and previews of links.
const DESCRIPTION: &str =
    "The exact mean of every index across many files, computed by many workers.";

/// The logo, a sum tree: three bars become two, and two become one.
const FAVICON: &str = "data:image/svg+xml,\
    %3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E\
    %3Crect width='32' height='32' rx='8' fill='%230b6e75'/%3E\
    %3Cg fill='%23fff'%3E\
    %3Crect x='6' y='7' width='5' height='5' rx='1'/%3E\
    %3Crect x='13.5' y='7' width='5' height='5' rx='1'/%3E\
    %3Crect x='21' y='7' width='5' height='5' rx='1'/%3E\
    %3Crect x='6' y='14' width='12.5' height='5' rx='1' opacity='.85'/%3E\
    %3Crect x='21' y='14' width='5' height='5' rx='1' opacity='.85'/%3E\
    %3Crect x='6' y='21' width='20' height='5' rx='1' opacity='.7'/%3E\
    %3C/g%3E%3C/svg%3E";

/// The HTML document of every page. Only the server renders it.
#[must_use]
pub fn shell(options: LeptosOptions) -> impl IntoView {
    content_policy::send();
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <meta name="description" content=DESCRIPTION />
                <link rel="icon" type="image/svg+xml" href=FAVICON />
                <script nonce=use_nonce() inner_html=BEFORE_FIRST_PAINT></script>
                <script nonce=use_nonce() inner_html=NUMBERS></script>
                <HashedStylesheet options=options.clone() id="style" />
                <AutoReload options=options.clone() />
                <HydrationScripts options islands=true />
                <MetaTags />
            </head>
            <body>{App().into_any()}</body>
        </html>
    }
}

/// Everything inside the body.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    view! {
        <Title formatter=|title: String| {
            if title.is_empty() {
                "distributed-average".to_owned()
            } else {
                format!("{title} · distributed-average")
            }
        } />
        <a class="skip-link" href="#main">
            "Skip to content"
        </a>
        <Router>
            <SiteHeader />
            <main id="main" tabindex="-1">
                // Every route is rendered completely before the response starts:
                // without JavaScript nothing could be filled in later, and the status
                // of an unknown job can still be set to 404.
                <FlatRoutes fallback=NotFoundPage>
                    <Route path=path!("/") view=HomePage ssr=SsrMode::Async />
                    <Route path=path!("/now") view=NowPage ssr=SsrMode::Async />
                    <Route path=path!("/plan") view=PlanPage ssr=SsrMode::Async />
                    <Route path=path!("/files") view=FilesPage ssr=SsrMode::Async />
                    <Route path=path!("/jobs") view=HistoryPage ssr=SsrMode::Async />
                    // Before the page of a job: the first route that matches is taken.
                    <Route path=path!("/jobs/selected") view=SelectedPage ssr=SsrMode::Async />
                    <Route path=path!("/jobs/:id") view=JobPage ssr=SsrMode::Async />
                    <Route path=path!("/jobs/:id/run") view=RunPage ssr=SsrMode::Async />
                    <Route path=path!("/jobs/:id/tasks") view=TasksPage ssr=SsrMode::Async />
                    <Route path=path!("/jobs/:id/tasks/:task") view=TaskPage ssr=SsrMode::Async />
                    <Route path=path!("/jobs/:id/view") view=ViewPage ssr=SsrMode::Async />
                    <Route path=path!("/jobs/:id/log") view=LogPage ssr=SsrMode::Async />
                    <Route path=path!("/jobs/:id/inputs") view=InputsPage ssr=SsrMode::Async />
                    <Route path=path!("/jobs/:id/compare") view=ComparePage ssr=SsrMode::Async />
                    <Route path=path!("/jobs/:id/compare/:other") view=ComparePage ssr=SsrMode::Async />
                    <Route path=path!("/workers/:worker") view=WorkerPage ssr=SsrMode::Async />
                    <Route path=path!("/dev/components") view=ComponentsPage ssr=SsrMode::Async />
                    <Route path=path!("/sign-in") view=SignInPage ssr=SsrMode::Async />
                </FlatRoutes>
            </main>
        </Router>
    }
}
