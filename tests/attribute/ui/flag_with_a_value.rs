use lockutils::synchronized;

#[synchronized("name", fair = 3)]
fn work() {}

fn main() {
    work();
}
