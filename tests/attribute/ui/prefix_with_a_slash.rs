use lockutils::synchronized;

#[synchronized("name", prefix = "nova/api")]
fn work() {}

fn main() {
    work();
}
