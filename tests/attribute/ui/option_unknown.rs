use lockutils::synchronized;

#[synchronized("name", colour = "red")]
fn work() {}

fn main() {
    work();
}
