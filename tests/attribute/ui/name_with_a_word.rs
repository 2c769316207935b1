use lockutils::synchronized;

#[synchronized(name = "volumes")]
fn work() {}

fn main() {
    work();
}
