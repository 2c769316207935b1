use lockutils::synchronized;

#[synchronized("name", lock_path = "/run/nova")]
fn work() {}

fn main() {
    work();
}
