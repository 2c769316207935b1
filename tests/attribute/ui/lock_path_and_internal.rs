use lockutils::synchronized;

#[synchronized("name", internal, lock_path = "/run/nova")]
fn work() {}

fn main() {
    work();
}
