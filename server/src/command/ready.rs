//! `distributed-average ready`: whether a server is, as an exit code, for
//! containers that hold no other program that could ask.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::arguments::ReadyArguments;

/// How long the server may be silent; less than health checks allow.
const SILENCE_MAX: Duration = Duration::from_secs(4);
/// The most that is read of an answer: a status line and a problem.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// Asks `/readyz`.
///
/// # Errors
/// If the server does not answer, or says that it is not ready.
pub fn run(arguments: &ReadyArguments) -> Result<()> {
    let address = reachable(arguments.listen);
    let answer =
        ask(address).with_context(|| format!("asking {address}; is the server running?"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        bail!("{address} is not ready: {status} {body}");
    }
    println!("{address} is ready");
    Ok(())
}

fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, SILENCE_MAX)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    // In one piece, for whoever answers as soon as anything is there.
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Where a server that listens on all addresses can be asked.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn asked_of_one_that_says(answer: &'static str) -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            // All of it is read: what is left unread resets the connection.
            let request: Vec<String> = BufReader::new(&stream)
                .lines()
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty())
                .collect();
            assert_eq!(request[0], "GET /readyz HTTP/1.1");
            (&stream).write_all(answer.as_bytes()).unwrap();
        });
        let listen = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
        let outcome = run(&ReadyArguments { listen });
        server.join().unwrap();
        outcome
    }

    #[test]
    fn a_server_that_answers_200_is_ready() {
        asked_of_one_that_says("HTTP/1.1 200 OK\r\n\r\nok").unwrap();
    }

    #[test]
    fn what_is_amiss_is_passed_on() {
        let error =
            asked_of_one_that_says("HTTP/1.1 503 Service Unavailable\r\n\r\nno queue").unwrap_err();
        assert!(error.to_string().contains("503 Service Unavailable no queue"), "{error}");
    }

    #[test]
    fn nobody_there_is_not_ready() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = listener.local_addr().unwrap();
        drop(listener);
        assert!(run(&ReadyArguments { listen }).is_err());
    }
}
