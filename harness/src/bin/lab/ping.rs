//! `lab ping`: our own echo, so that no `ping` need be installed.

use std::process::ExitCode;
use std::time::Duration;

use harness::control::Request;
use harness::lab::Echoed;
use serde_json::json;

use crate::choose::Scope;
use crate::{EXIT_FAILED, args, print};

pub(crate) fn main(scope: &Scope, args: &args::Ping) -> anyhow::Result<ExitCode> {
    let request = Request::Ping {
        from: args.from.clone(),
        to: args.to.clone(),
        count: args.count,
        interval: u64::try_from(args.interval.as_millis()).unwrap_or(u64::MAX),
    };
    let mut echoes = Vec::new();
    let answer = scope.each(&request, |item| {
        let echo: Echoed = serde_json::from_value(item)?;
        echoes.push(echo);
        if scope.json {
            return Ok(());
        }
        let number = echoes.len();
        let text = match echo {
            Echoed::Answered(nanoseconds) => format!("answer {number} after {}", milliseconds(nanoseconds)),
            Echoed::Silent => format!("no answer {number}"),
            Echoed::Unreachable => format!("no answer {number}: unreachable"),
        };
        print::line(format_args!("{} -> {}: {text}", args.from, args.to))?;
        Ok(())
    })?;
    let mut trips: Vec<u64> = echoes
        .iter()
        .filter_map(|echo| if let Echoed::Answered(time) = echo { Some(*time) } else { None })
        .collect();
    trips.sort_unstable();
    let (sent, received) = (echoes.len(), trips.len());
    // A whole number is what people compare; one lost of a thousand is still no 0 %.
    let loss = ((sent - received) * 100).div_ceil(sent.max(1));
    // The nearest rank: the least that so many of a hundred do not exceed.
    let at = |share: usize| trips.get((received * share).div_ceil(100).max(1) - 1).copied();
    let (least, median, high, most) = (at(0), at(50), at(99), trips.last().copied());
    if scope.json {
        print::json(&json!({
            "version": 1, "from": args.from, "to": answer.value, "sent": sent, "received": received, "loss_percent": loss,
            "rtt_ns": { "min": least, "median": median, "p99": high, "max": most },
        }))?;
    } else {
        print::line(format_args!("{sent} sent, {received} answered, {loss}% loss"))?;
        if let (Some(least), Some(median), Some(high), Some(most)) = (least, median, high, most) {
            let [least, median, high, most] = [least, median, high, most].map(milliseconds);
            print::line(format_args!("round trip min {least}, median {median}, p99 {high}, max {most}"))?;
        }
    }
    Ok(if received > 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAILED) })
}

fn milliseconds(nanoseconds: u64) -> String {
    format!("{:.3} ms", Duration::from_nanos(nanoseconds).as_secs_f64() * 1000.0)
}
