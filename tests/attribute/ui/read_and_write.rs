use lockutils::synchronized;

#[synchronized("name", read, write)]
fn work() {}

fn main() {
    work();
}
