use lockutils::synchronized;

#[synchronized("name" fair)]
fn work() {}

fn main() {
    work();
}
