use lockutils::synchronized;

#[synchronized("name", shared)]
fn work() {}

fn main() {
    work();
}
