use lockutils::synchronized;

#[synchronized("name", timeout = "1s", on_error = |_| ())]
fn work() {}

fn main() {
    work();
}
