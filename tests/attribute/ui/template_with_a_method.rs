use lockutils::synchronized;

#[synchronized("volume-{volume.to_string()}")]
fn work(volume: u8, gib: u64) {
    assert!(gib > u64::from(volume));
}

fn main() {
    work(1, 2);
}
