use lockutils::synchronized;

#[synchronized("name", fair, fair)]
fn work() {}

fn main() {
    work();
}
