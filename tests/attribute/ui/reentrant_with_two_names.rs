use lockutils::synchronized;

#[synchronized("one", "two", reentrant)]
fn work() {}

fn main() {
    work();
}
