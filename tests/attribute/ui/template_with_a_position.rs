use lockutils::synchronized;

#[synchronized("volume-{}")]
fn work(volume: u8, gib: u64) {
    assert!(gib > u64::from(volume));
}

fn main() {
    work(1, 2);
}
