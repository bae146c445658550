//! The pages, one per route. Pages own the resources.

pub mod compare;
pub mod components;
pub mod file_name;
pub mod files;
pub mod history;
pub mod home;
pub mod inputs;
pub mod job;
pub mod not_found;
pub mod selected;
pub mod sign_in;
pub mod snippets;
pub mod table;
pub mod tensor_list;
pub mod worker;
