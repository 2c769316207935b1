use lockutils::synchronized;

#[synchronized("volume-{id}")]
fn work() {}

fn main() {
    work();
}
