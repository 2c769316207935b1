use lockutils::synchronized;

#[synchronized("name", extrenal)]
fn work() {}

fn main() {
    work();
}
