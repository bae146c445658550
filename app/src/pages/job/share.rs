//! The link that shows a job to anybody.

use leptos::prelude::*;
use protocol::JobId;

use crate::backend::host;
use crate::calls::{self, Share, Withdraw};
use crate::islands::copy_link::CopyLink;

/// The link that shows a job to anybody who has it, and the forms that make and withdraw
/// it.
#[component]
pub fn ShareLink(
    /// The id of the job.
    id: JobId,
) -> impl IntoView {
    let share = ServerAction::<Share>::new();
    let withdraw = ServerAction::<Withdraw>::new();
    let link = Resource::new(|| (), move |()| calls::share_link(id));
    view! {
        <details class="confirm share">
            <summary class="button">"Share"</summary>
            <Suspense>
                {move || Suspend::new(async move {
                    match link.await {
                        Ok(Some(path)) => {
                            let (href, link) = (path.clone(), format!("{}{path}", host()));
                            view! {
                                <div>
                                    <p>"Anybody with this link sees this job and its result."</p>
                                    <a class="share-link" href=href>
                                        {link.clone()}
                                    </a>
                                    <CopyLink link=Some(link) />
                                    <ActionForm action=withdraw>
                                        <input type="hidden" name="id" value=id.to_string() />
                                        <button type="submit" class="button danger">
                                            "Withdraw link"
                                        </button>
                                    </ActionForm>
                                </div>
                            }
                                .into_any()
                        }
                        Ok(None) => {
                            view! {
                                <ActionForm action=share>
                                    <p>
                                        "Make a link that shows this job and its result, and nothing \
                                        else, to anybody who has it?"
                                    </p>
                                    <input type="hidden" name="id" value=id.to_string() />
                                    <button type="submit" class="button">
                                        "Make link"
                                    </button>
                                </ActionForm>
                            }
                                .into_any()
                        }
                        Err(error) => {
                            view! { <p class="field-problem">{error.to_string()}</p> }.into_any()
                        }
                    }
                })}
            </Suspense>
        </details>
    }
}
