use lockutils::synchronized;

#[synchronized("volume-{self.id}")]
fn work() {}

fn main() {
    work();
}
