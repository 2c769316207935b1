use lockutils::synchronized;

#[synchronized(7)]
fn work() {}

fn main() {
    work();
}
