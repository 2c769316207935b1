use lockutils::synchronized;

#[synchronized("name")]
const fn work() {}

fn main() {
    work();
}
