//! Many cores as a swarm.

use std::time::Duration;

use super::world::World;
use super::*;
use crate::pieces::rows::Phase;

const SECOND: Duration = Duration::from_secs(1);

fn whole(n: u8, pieces: u32) -> KnownFile {
    file(n, pieces, Bitmap::all(pieces))
}

#[test]
fn one_gets_a_file_from_one() {
    let mut world = World::new(2, 1, policy());
    let known = whole(1, 100);
    let id = known.file;
    let bytes = known.bytes;
    world.share(0, known);
    world.start();
    world.get(1, 7, id, 0);
    let took = world.run_until_done(&[(1, 7)], 60 * SECOND);
    world.run_for(SECOND);
    assert!(took < 3 * SECOND, "100 MiB at 50 MiB/s took {took:?}");
    assert_eq!(world.row(1, 7).phase, Phase::Done);
    assert!(world.overhead(1..2, bytes + 5_000) <= 1.0);
    assert!(world.nodes[1].core.file_rows()[0].pieces_held == 100);
}
