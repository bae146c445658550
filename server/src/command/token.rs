//! `distributed-average token`

use crate::access::tokens;
use crate::arguments::TokenArguments;

/// Prints a new token, and the line of the token file that lets its holder in.
pub fn run(arguments: &TokenArguments) {
    let token = tokens::generate();
    // The token on standard error: `>> tokens` appends only the line.
    eprintln!("The token, which is not kept anywhere: {token}");
    eprintln!("Its line in the file of --token-file:");
    println!("{}", tokens::line(&arguments.name, arguments.role, &token));
}
