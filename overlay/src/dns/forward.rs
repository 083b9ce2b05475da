//! What nobody here knows is asked outside.

use std::net::Ipv4Addr;

use kernel::Netns;
use tokio::time::timeout;

use super::answer::{Over, fit};
use super::exchange::exchange;
use super::message::{self, Rcode, Response};
use crate::docker;

/// A server outside.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Its address.
    pub server: Ipv4Addr,
    /// The namespace that it is asked from: the container's, so that its name can be had exactly where its address can be
    /// reached.
    pub from: Netns,
}

/// Asks the servers in order until one settles it; otherwise what the last of them said counts. Of a name about which nobody
/// says anything, that is said. Bound: the patience for each.
pub(super) async fn forward(upstreams: &[Upstream], query: &[u8], over: Over) -> Vec<u8> {
    if upstreams.is_empty() {
        return message::refusal(query, Rcode::NXDOMAIN);
    }
    let mut last = None;
    for upstream in upstreams.iter().take(docker::NAME_SERVERS_OUTSIDE) {
        let asked = exchange(&upstream.from, upstream.server, query, over, docker::NAME_PATIENCE);
        match timeout(docker::NAME_PATIENCE, asked).await {
            Ok(Ok(reply)) => {
                let settled = Response::read(query, &reply).is_some_and(|response| settles(&response));
                last = Some(reply);
                if settled {
                    break;
                }
            }
            Ok(Err(error)) => {
                tracing::debug!(server = %upstream.server, %error, "a name server cannot be asked");
            }
            Err(_) => tracing::debug!(server = %upstream.server, "a name server does not answer"),
        }
    }
    match last {
        Some(reply) => fit(query, reply, over),
        None => message::refusal(query, Rcode::SERVFAIL),
    }
}

/// Whether a response ends the search: an answer, or that there is no such name from the one who knows (20.10:
/// `resolver.go`, `ServeDNS`).
fn settles(response: &Response) -> bool {
    match response.code {
        Rcode::NOERROR => true,
        Rcode::NXDOMAIN => response.is_authoritative,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_settles_it_and_so_does_the_one_who_knows() {
        let response = |code, is_authoritative| Response {
            code,
            is_authoritative,
            is_truncated: false,
            answers: Vec::new(),
        };
        assert!(settles(&response(Rcode::NOERROR, false)));
        assert!(settles(&response(Rcode::NXDOMAIN, true)));
        assert!(!settles(&response(Rcode::NXDOMAIN, false)));
        assert!(!settles(&response(Rcode::SERVFAIL, true)));
        assert!(!settles(&response(Rcode::REFUSED, true)));
    }
}
