use lockutils::synchronized;

#[synchronized("")]
fn work() {}

fn main() {
    work();
}
