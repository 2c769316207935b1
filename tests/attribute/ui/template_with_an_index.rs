use lockutils::synchronized;

#[synchronized("volume-{ids[0]}")]
fn work(ids: &[u8]) {
    assert!(ids.is_empty());
}

fn main() {
    work(&[]);
}
