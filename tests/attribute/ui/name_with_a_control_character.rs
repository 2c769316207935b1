use lockutils::synchronized;

#[synchronized("one\ntwo-{n}")]
fn work(n: u8) {
    assert_eq!(n, 1);
}

fn main() {
    work(1);
}
