use lockutils::synchronized;

#[synchronized("name", fair, "other")]
fn work() {}

fn main() {
    work();
}
