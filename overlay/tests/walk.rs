//! Random walks over real namespaces: whatever is asked of engines, and whatever happens to them, to their store and to their
//! kernels, in the end all is as a model says that knows none of it.
//!
//! `ci/walk` does long ones, and those again that failed: by the seed (`LAB_SEED`) and the length (`LAB_STEPS`).
#![cfg(feature = "netns")]
#![expect(clippy::unwrap_used, unreachable_pub, clippy::print_stdout, reason = "tests")]

#[path = "walk/check.rs"]
mod check;
#[path = "walk/damage.rs"]
mod damage;
#[path = "walk/kernel_agrees.rs"]
mod kernel_agrees;
mod lab;
#[path = "walk/model.rs"]
mod model;
#[path = "walk/steps.rs"]
mod steps;
#[path = "walk/world.rs"]
mod world;

use std::fmt::Write;
use std::time::{Duration, Instant};

use check::{BLOCKING, Holdings};
use overlay::Resolution;
use steps::{NETWORKS, Step, Verb};
use world::World;

/// A walk that takes some ten seconds in a debug build.
const STEPS: u32 = 200;
/// How many of an engine's sentences a failure shows.
const SAID: usize = 60;

#[kernel::isolate]
fn a_random_walk_ends_where_the_model_does() {
    let number = |name| std::env::var(name).ok().map(|text: String| text.parse::<u64>().expect("a number"));
    let seed = number("LAB_SEED").unwrap_or(1);
    let steps = number("LAB_STEPS").map_or(STEPS, |steps| u32::try_from(steps).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(BLOCKING)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(walk(seed, steps));
    runtime.shutdown_timeout(Duration::from_secs(5));
}

async fn walk(seed: u64, steps: u32) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let resolution = if seed % 4 == 3 { Resolution::OnMiss } else { Resolution::Store };
    let mut world = World::new(resolution).await;
    let before = Holdings::now();
    let (start, mut log) = (Instant::now(), String::new());
    let mut next = 0;
    while next < steps {
        for _ in 0..rng.u32(1..12).min(steps - next) {
            let step = Step::draw(&mut rng);
            next += 1;
            writeln!(log, "{next:>5}  at {:>6} ms  {step}", start.elapsed().as_millis()).unwrap();
            let done = world.step(&step).await;
            done.unwrap_or_else(|why| fail(&world, (seed, steps), &log, &why));
        }
        writeln!(log, "       at {:>6} ms  it settles", start.elapsed().as_millis()).unwrap();
        let settled = world.settle(resolution, &mut rng).await.and_then(|()| world.check_holdings(before));
        settled.unwrap_or_else(|why| fail(&world, (seed, steps), &log, &why));
    }
    let took = start.elapsed().as_secs_f64();
    let cleared = clear(&mut world, resolution, &mut rng).await.and_then(|()| world.check_holdings(before));
    cleared.unwrap_or_else(|why| fail(&world, (seed, steps), &log, &why));
    println!("seed {seed}: {next} steps in {took:.1} s, {:.0} a second", f64::from(next) / took);
}

/// Takes everything away that is there.
async fn clear(world: &mut World, resolution: Resolution, rng: &mut fastrand::Rng) -> Result<(), String> {
    for network in 0..NETWORKS {
        let members: Vec<usize> = world.model.members(network).map(|(container, _)| container).collect();
        for container in members {
            world.step(&Step::Ask(Verb::Leave { container, network })).await?;
        }
        world.step(&Step::Ask(Verb::Remove { host: 0, network })).await?;
    }
    world.settle(resolution, rng).await?;
    if world.model.networks.is_empty() { Ok(()) } else { Err("networks are left".to_owned()) }
}

fn fail(world: &World, (seed, steps): (u64, u32), log: &str, why: &str) -> ! {
    let said = world.said.lock().unwrap().clone();
    let last = said[said.len().saturating_sub(SAID)..].join("\n");
    let shown = world.show();
    panic!(
        "seed {seed}: {why}\nwhat there is:\n{shown}the engines said last:\n{last}\nthe steps:\n{log}again: ci/walk {steps} 1 {seed}"
    );
}
