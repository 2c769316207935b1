use lockutils::synchronized;

#[synchronized("name", on_error = panic)]
fn work() {}

fn main() {
    work();
}
