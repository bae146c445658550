//! Who calls the server, and what they may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::JobId;

/// What a caller may do. Each role includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Read jobs, results, inputs and metrics.
    View,
    /// Also submit, rerun, cancel and share jobs, upload inputs, and delete their own jobs.
    Submit,
    /// Also delete all jobs, and inputs, and set the number of workers.
    Admin,
}

impl Role {
    /// All roles, from the fewest rights to the most.
    pub const ALL: [Role; 3] = [Role::View, Role::Submit, Role::Admin];

    /// The role as a word, as in a token file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Role::View => "view",
            Role::Submit => "submit",
            Role::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Role::ALL.into_iter().find(|role| role.word() == text);
        found.ok_or_else(|| format!("{text:?} is not a role: view, submit or admin"))
    }
}

/// The caller of one request, as the server has recognized them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Caller {
    /// The name of their token, or the one that a proxy has signed in. `None` where
    /// nobody signs in, and for those who only have a link.
    pub name: Option<String>,
    /// Their role; `None` for those who only have a link to a job.
    pub role: Option<Role>,
    /// The job that the link of the caller shows.
    pub shared: Option<JobId>,
    /// Whether they can sign out: they have signed in on a page.
    pub has_session: bool,
    /// Whether the server requires authentication, so that sharing a job by a link makes
    /// sense.
    pub is_restricted: bool,
}

impl Caller {
    /// Whoever calls a server on which nobody signs in.
    #[must_use]
    pub const fn anybody() -> Caller {
        Caller {
            name: None,
            role: Some(Role::Admin),
            shared: None,
            has_session: false,
            is_restricted: false,
        }
    }

    /// Whether the caller has a role, or one with more rights.
    #[must_use]
    pub fn may(&self, role: Role) -> bool {
        self.role.is_some_and(|own| own >= role)
    }

    /// Whether the caller may read a job: by a role, or by a link to it.
    #[must_use]
    pub fn may_read(&self, job: JobId) -> bool {
        self.may(Role::View) || self.shared == Some(job)
    }

    /// Whether the caller may delete a job, by the name of who submitted it: their own with
    /// the role to submit, and all with the role `admin`.
    #[must_use]
    pub fn may_delete(&self, submitted_by: Option<&str>) -> bool {
        let is_own = self.name.is_some() && self.name.as_deref() == submitted_by;
        self.may(Role::Admin) || is_own && self.may(Role::Submit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_includes_those_with_fewer_rights() {
        let caller = Caller { role: Some(Role::Submit), ..Caller::anybody() };
        assert!(caller.may(Role::View) && caller.may(Role::Submit) && !caller.may(Role::Admin));
    }

    #[test]
    fn a_link_shows_one_job_and_gives_no_role() {
        let [one, other] =
            [1, 2].map(|random| JobId::from_parts(crate::Timestamp::default(), random));
        let caller = Caller { role: None, shared: Some(one), ..Caller::anybody() };
        assert!(caller.may_read(one) && !caller.may_read(other));
        assert!(Role::ALL.into_iter().all(|role| !caller.may(role)));
    }

    #[test]
    fn only_an_admin_deletes_the_jobs_of_others() {
        let caller = |role, name: Option<&str>| Caller {
            role: Some(role),
            name: name.map(str::to_owned),
            ..Caller::anybody()
        };
        let (ada, other) = (Some("ada"), Some("bob"));
        assert!(caller(Role::Submit, ada).may_delete(ada));
        assert!(!caller(Role::Submit, ada).may_delete(other));
        assert!(!caller(Role::View, ada).may_delete(ada));
        assert!(caller(Role::Admin, ada).may_delete(other));
        // Nobody is the owner of what nobody known has submitted.
        assert!(!caller(Role::Submit, None).may_delete(None));
        assert!(Caller::anybody().may_delete(None));
    }

    #[test]
    fn roles_are_read_as_they_are_written() {
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert!("root".parse::<Role>().unwrap_err().contains("view, submit or admin"));
    }
}
